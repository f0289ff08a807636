// quick_cache or moka under the workload of bench/cache.cpp; see bench/peers/README.md for the protocol.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

type Key = Box<str>;
type Value = [u8; 64];

enum Cache {
    Quick(quick_cache::sync::Cache<Key, Value>),
    Moka(moka::sync::Cache<Key, Value, ahash::RandomState>),
}

impl Cache {
    fn new(name: &str, capacity: usize) -> Cache {
        if name == "quick_cache" {
            Cache::Quick(quick_cache::sync::Cache::new(capacity))
        } else {
            Cache::Moka(
                moka::sync::Cache::builder()
                    .max_capacity(capacity as u64)
                    .time_to_live(Duration::from_secs(3600))
                    .build_with_hasher(ahash::RandomState::new()),
            )
        }
    }
    #[inline(always)]
    fn get(&self, key: &str) -> Option<Value> {
        match self {
            Cache::Quick(c) => c.get(key),
            Cache::Moka(c) => c.get(key),
        }
    }
    #[inline(always)]
    fn set(&self, key: &str, value: Value) {
        match self {
            Cache::Quick(c) => c.insert(key.into(), value),
            Cache::Moka(c) => c.insert(key.into(), value),
        }
    }
}

fn key_of(i: usize) -> String {
    format!("entry:{:030}", i)
}

struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E3779B97F4A7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58476D1CE4E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D049BB133111EB);
        z ^ (z >> 31)
    }
}

fn zipf(n: usize, count: usize) -> Vec<[u8; 36]> {
    let mut cdf = Vec::with_capacity(n);
    let mut sum = 0.0f64;
    for i in 0..n {
        sum += ((i + 1) as f64).powf(-0.99);
        cdf.push(sum);
    }
    let mut random = Random(7);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, (random.next() % (i as u64 + 1)) as usize);
    }
    (0..count)
        .map(|_| {
            let at = (random.next() >> 11) as f64 / (1u64 << 53) as f64 * sum;
            let i = cdf.partition_point(|&c| c < at).min(n - 1);
            key_of(order[i]).as_bytes().try_into().unwrap()
        })
        .collect()
}

fn text(key: &[u8; 36]) -> &str {
    std::str::from_utf8(key).unwrap()
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (name, which) = (args[1].as_str(), args[2].as_str());
    let n: usize = args[3].parse().unwrap();
    let threads: usize = args[4].parse().unwrap();
    let seconds: f64 = args[5].parse().unwrap();
    let capacity = if which == "insert" { n } else { n * 5 / 4 };
    let cache = Cache::new(name, capacity);
    for i in 0..n {
        cache.set(&key_of(i), [1; 64]);
    }
    if let Cache::Moka(c) = &cache {
        c.run_pending_tasks();
    }
    let stop = AtomicBool::new(false);
    let total = AtomicU64::new(0);
    if which == "insert" {
        let mut next = n;
        let mut done = 0u64;
        let mut key = [0u8; 36];
        let begin = Instant::now();
        while begin.elapsed().as_secs_f64() < seconds {
            for _ in 0..256 {
                write_key(&mut key, next);
                cache.set(text(&key), [1; 64]);
                next += 1;
            }
            done += 256;
        }
        println!("{}", done as f64 / begin.elapsed().as_secs_f64() / 1e6);
        return;
    }
    const MASK: usize = (1 << 20) - 1;
    let requests = zipf(n, 1 << 20);
    let missed = AtomicU64::new(0);
    let begin = Instant::now();
    let mut elapsed = 0.0;
    std::thread::scope(|scope| {
        let (cache, requests, stop, total, missed) = (&cache, &requests, &stop, &total, &missed);
        if which == "mixed" {
            scope.spawn(move || {
                let mut i = 0usize;
                while !stop.load(Relaxed) {
                    cache.set(text(&requests[(i * 7) & MASK]), [2; 64]);
                    i += 1;
                }
            });
        }
        for worker in 0..threads {
            scope.spawn(move || {
                let mut i = worker * 524288;
                let (mut n, mut sum, mut none) = (0u64, 0u64, 0u64);
                while !stop.load(Relaxed) {
                    for k in 0..64 {
                        // The requests are ASCII that key_of wrote.
                        let key = unsafe { std::str::from_utf8_unchecked(&requests[(i + k) & MASK]) };
                        match cache.get(key) {
                            Some(value) => sum += std::hint::black_box(value)[0] as u64,
                            None => none += 1,
                        }
                    }
                    i += 64;
                    n += 64;
                }
                std::hint::black_box(sum);
                total.fetch_add(n, Relaxed);
                missed.fetch_add(none, Relaxed);
            });
        }
        std::thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, Relaxed);
        elapsed = begin.elapsed().as_secs_f64();
    });
    println!("{}", total.load(Relaxed) as f64 / elapsed / 1e6);
    if missed.load(Relaxed) > 0 {
        eprintln!("{} missed {}", name, missed.load(Relaxed));
    }
}

fn write_key(key: &mut [u8; 36], mut i: usize) {
    key[..6].copy_from_slice(b"entry:");
    for at in (6..36).rev() {
        key[at] = b'0' + (i % 10) as u8;
        i /= 10;
    }
}
