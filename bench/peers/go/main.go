// Otter v2 or Ristretto v2 under the workload of bench/cache.cpp; see bench/peers/README.md for the protocol.
package main

import (
	"fmt"
	"math"
	"math/rand"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"
)

type cache interface {
	get(key string) ([]byte, bool)
	set(key string, value []byte)
}

type otterCache struct{ c *otter.Cache[string, []byte] }

func (o otterCache) get(key string) ([]byte, bool) { return o.c.GetIfPresent(key) }
func (o otterCache) set(key string, value []byte)  { o.c.Set(key, value) }

type ristrettoCache struct {
	c *ristretto.Cache[string, []byte]
}

func (r ristrettoCache) get(key string) ([]byte, bool) { return r.c.Get(key) }
func (r ristrettoCache) set(key string, value []byte) {
	r.c.SetWithTTL(key, value, 1, time.Hour)
}

func make_cache(name string, capacity int) cache {
	if name == "otter" {
		return otterCache{otter.Must(&otter.Options[string, []byte]{
			MaximumSize:      capacity,
			ExpiryCalculator: otter.ExpiryWriting[string, []byte](time.Hour),
		})}
	}
	c, err := ristretto.NewCache(&ristretto.Config[string, []byte]{
		NumCounters: int64(capacity) * 10, MaxCost: int64(capacity), BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		panic(err)
	}
	return ristrettoCache{c}
}

func key_of(i int) string { return fmt.Sprintf("entry:%030d", i) }

func zipf(n, count int, seed int64) []string {
	cdf := make([]float64, n)
	sum := 0.0
	for i := range cdf {
		sum += math.Pow(float64(i+1), -0.99)
		cdf[i] = sum
	}
	r := rand.New(rand.NewSource(seed))
	perm := rand.New(rand.NewSource(1)).Perm(n)
	out := make([]string, count)
	for i := range out {
		out[i] = key_of(perm[min(n-1, sort.SearchFloat64s(cdf, r.Float64()*sum))])
	}
	return out
}

func measure(seconds float64, readers int, step func(worker int, i int) int) float64 {
	var stop atomic.Bool
	var total atomic.Int64
	var wait sync.WaitGroup
	begin := time.Now()
	for w := 0; w < readers; w++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			n := 0
			for i := 0; !stop.Load(); i += 64 {
				n += step(w, i)
			}
			total.Add(int64(n))
		}()
	}
	time.Sleep(time.Duration(seconds * 1e9))
	stop.Store(true)
	wait.Wait()
	return float64(total.Load()) / time.Since(begin).Seconds() / 1e6
}

func main() {
	runtime.GOMAXPROCS(2)
	name, which := os.Args[1], os.Args[2]
	n, _ := strconv.Atoi(os.Args[3])
	threads, _ := strconv.Atoi(os.Args[4])
	seconds, _ := strconv.ParseFloat(os.Args[5], 64)
	value := make([]byte, 64)
	capacity := n * 5 / 4
	if which == "insert" {
		capacity = n
	}
	c := make_cache(name, capacity)
	for i := 0; i < n; i++ {
		c.set(key_of(i), append([]byte(nil), value...))
		if i%1000 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	time.Sleep(300 * time.Millisecond)
	if which == "insert" {
		next := n
		fmt.Println(measure(seconds, 1, func(int, int) int {
			for k := 0; k < 64; k++ {
				c.set(key_of(next), append([]byte(nil), value...))
				next++
			}
			return 64
		}))
		return
	}
	requests := zipf(n, 1<<20, 7)
	var stop atomic.Bool
	if which == "mixed" {
		go func() {
			for i := 0; !stop.Load(); i++ {
				c.set(requests[(i*7)&(1<<20-1)], append([]byte(nil), value...))
			}
		}()
	}
	var out [2][64]byte
	var missed atomic.Int64
	got := measure(seconds, threads, func(w, i int) int {
		start := w * 524288
		for k := 0; k < 64; k++ {
			if v, ok := c.get(requests[(start+i+k)&(1<<20-1)]); ok {
				copy(out[w][:], v)
			} else {
				missed.Add(1)
			}
		}
		return 64
	})
	stop.Store(true)
	fmt.Println(got)
	if missed.Load() > 0 {
		fmt.Fprintln(os.Stderr, name, "missed", missed.Load())
	}
}
