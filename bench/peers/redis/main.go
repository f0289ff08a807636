// rueidis under the workload of bench/redis.cpp: so many goroutines, each with one command in flight.
//
//	redispeer ADDRESS get|set|incr|tracked IN_FLIGHT SECONDS
//
// prints commands a second, CPU microseconds a command and the median latency in microseconds.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/rueidis"
)

const keys = 100_000
const trackedKeys = 1_000

func cpu() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	operation := os.Args[2]
	in_flight, _ := strconv.Atoi(os.Args[3])
	seconds, _ := strconv.ParseFloat(os.Args[4], 64)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{os.Args[1]}, DisableCache: operation != "tracked"})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	value := strings.Repeat("x", 200)
	names := make([]string, keys)
	for i := range names {
		names[i] = fmt.Sprintf("key:%012d", i)
	}
	one := func(n uint64) {
		name := names[n*2654435761%keys]
		var err error
		switch operation {
		case "get":
			_, err = client.Do(ctx, client.B().Get().Key(name).Build()).ToString()
		case "tracked":
			_, err = client.DoCache(ctx, client.B().Get().Key(names[n*2654435761%trackedKeys]).Cache(), time.Minute).ToString()
		case "set":
			err = client.Do(ctx, client.B().Set().Key(name).Value(value).Build()).Error()
		default:
			err = client.Do(ctx, client.B().Incr().Key("counter:"+name).Build()).Error()
		}
		if err != nil {
			panic(err)
		}
	}
	var done, counting atomic.Uint64
	var stop atomic.Bool
	var all sync.WaitGroup
	latencies := make([][]float64, in_flight)
	for g := 0; g < in_flight; g++ {
		all.Add(1)
		go func(g int) {
			defer all.Done()
			for n := uint64(g); !stop.Load(); n += uint64(in_flight) {
				if n%32 == uint64(g)%32 {
					begin := time.Now()
					one(n)
					latencies[g] = append(latencies[g], float64(time.Since(begin).Nanoseconds())/1000)
				} else {
					one(n)
				}
				done.Add(counting.Load())
			}
		}(g)
	}
	time.Sleep(100 * time.Millisecond)
	counting.Store(1)
	begin, cpu_begin := time.Now(), cpu()
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	took, cpu_took, count := time.Since(begin), cpu()-cpu_begin, done.Load()
	stop.Store(true)
	all.Wait()
	var merged []float64
	for _, some := range latencies {
		merged = append(merged, some...)
	}
	sort.Float64s(merged)
	fmt.Printf("%.0f %.4f %.1f\n", float64(count)/took.Seconds(), float64(cpu_took.Microseconds())/float64(count), merged[len(merged)/2])
}
