// Caffeine under the workload of bench/cache.cpp; see bench/peers/README.md for the protocol.
import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.atomic.LongAdder;

public final class Peer {
  static volatile boolean stop;
  static volatile long sink;

  static String keyOf(int i) { return String.format("entry:%030d", i); }

  static String[] zipf(int n, int count) {
    double[] cdf = new double[n];
    double sum = 0;
    for (int i = 0; i < n; i++) cdf[i] = sum += Math.pow(i + 1, -0.99);
    Random random = new Random(7);
    int[] order = new int[n];
    for (int i = 0; i < n; i++) order[i] = i;
    for (int i = n - 1; i > 0; i--) {
      int j = random.nextInt(i + 1), t = order[i];
      order[i] = order[j];
      order[j] = t;
    }
    String[] out = new String[count];
    for (int i = 0; i < count; i++) {
      int at = Arrays.binarySearch(cdf, random.nextDouble() * sum);
      out[i] = keyOf(order[Math.min(n - 1, at < 0 ? -at - 1 : at)]);
    }
    return out;
  }

  public static void main(String[] args) throws Exception {
    String which = args[1];
    int n = Integer.parseInt(args[2]), threads = Integer.parseInt(args[3]);
    double seconds = Double.parseDouble(args[4]);
    Cache<String, byte[]> cache = Caffeine.newBuilder().maximumSize(which.equals("insert") ? n : n * 5L / 4)
        .expireAfterWrite(Duration.ofHours(1)).build();
    for (int i = 0; i < n; i++) cache.put(keyOf(i), new byte[64]);
    cache.cleanUp();
    int mask = (1 << 20) - 1;
    String[] requests = zipf(n, 1 << 20);
    for (int warm = 0; warm < 2; warm++) {
      stop = false;
      LongAdder total = new LongAdder();
      Thread[] all = new Thread[threads + (which.equals("mixed") ? 1 : 0)];
      for (int t = 0; t < all.length; t++) {
        int worker = t;
        all[t] = new Thread(() -> {
          byte[] out = new byte[64];
          long done = 0;
          int at = worker * 524288;
          if (which.equals("insert")) {
            for (int next = n + (int) (sink & 7) + 100_000_000; !stop; next++, done++) cache.put(keyFast(next), new byte[64]);
            total.add(done);
            return;
          }
          if (worker >= threads) {
            for (int i = 0; !stop; i++) cache.put(requests[(i * 7) & mask], new byte[64]);
            return;
          }
          while (!stop) {
            for (int k = 0; k < 64; k++) {
              byte[] value = cache.getIfPresent(requests[(at + k) & mask]);
              if (value != null) System.arraycopy(value, 0, out, 0, 64);
            }
            at += 64;
            done += 64;
          }
          sink += out[0];
          total.add(done);
        });
      }
      long begin = System.nanoTime();
      for (Thread t : all) t.start();
      Thread.sleep((long) (seconds * 1000 * (warm == 0 ? 2 : 1)));
      stop = true;
      double took = (System.nanoTime() - begin) / 1e9;
      for (Thread t : all) t.join();
      if (warm == 1) System.out.println(total.sum() / took / 1e6);
    }
    System.exit(0);
  }

  static String keyFast(int i) {
    byte[] key = new byte[36];
    Arrays.fill(key, (byte) '0');
    for (int at = 35; i > 0; at--, i /= 10) key[at] = (byte) ('0' + i % 10);
    key[0] = 'e';
    return new String(key, java.nio.charset.StandardCharsets.ISO_8859_1);
  }
}
