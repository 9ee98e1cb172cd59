// The ring of driver.wasm and ring.wasm in C: the same algorithm, the same checks, index stores sequentially consistent as
// there. What differs is the compiler, and nothing else.
//
//   twin SIZE BATCH OUTSTANDING CHAIN PAYLOAD QUEUES EVENT_IDX INDIRECT IN_ORDER DRIVER_CORE DEVICE_CORE
//
// Each line on standard input is a measurement, each line on standard output its result; a damaged request ends it.
//   window REQUESTS PATIENCE    ns, ns for which the driver's and the device's thread had no core
//   latency REQUESTS PATIENCE   ns of each request, one after the other
//   futex ROUNDS 0              ns of a round trip between two threads that sleep

#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4 };
enum { DONE = 0, IDLE = 1, NOTIFY = 2, BROKEN = 3 };
enum { REAPED = 16, LOOKS = 1 << 16 };

struct desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct avail { uint16_t flags; _Atomic uint16_t idx; uint16_t ring[]; };
struct elem { uint32_t id, len; };
struct used { uint16_t flags; _Atomic uint16_t idx; struct elem ring[]; };
struct entry { uint32_t next, descriptors; uint64_t writable; };

// What the driver keeps of a queue, and of the requests that it streams through it.
struct driver {
  struct desc *desc; struct avail *avail; struct used *used;
  uint32_t free_head, free_tail, free_count, in_flight, next_idx, avail_idx, kicked_idx, used_idx, reap_idx;
  uint32_t in_batch, reaped_len;
  struct elem batch;
  struct entry *entries;
  struct desc *requests;
  uint32_t submitted, returned;
  uint8_t *source;
};

// What the device keeps of one.
struct device {
  struct desc *desc; struct avail *avail; struct used *used;
  uint32_t next_avail, next_used, sum, taken;
  uint8_t *sink;
};

static uint32_t used_batch; // the device publishes its used elements when so many wait, or none is left to take
static uint32_t size, batch, outstanding, chain_length, payload, queues, event_idx, indirect, in_order;
static uint8_t *ram; // guest RAM: buffers lie in it, by address from RAM_BASE on
static uint64_t ram_bytes;
static const uint64_t RAM_BASE = 0x80000000;
static struct driver *drivers;
static struct device *devices;

static _Atomic uint16_t *used_event(struct avail *a) { return (_Atomic uint16_t *)&a->ring[size]; }
static _Atomic uint16_t *avail_event(struct used *u) { return (_Atomic uint16_t *)&u->ring[size]; }
static int need_event(uint16_t event, uint16_t next, uint16_t old) {
  return (uint16_t)(next - event - 1) < (uint16_t)(next - old);
}
static void rest(volatile uint16_t *own, uint32_t turns) { for (; turns > 0; turns--) (void)*own; }

// ---- the driver

static void describe(struct desc *to, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next, int recurs) {
  uint64_t tail = len | (uint64_t)flags << 32 | (uint64_t)next << 48, old;
  memcpy(&old, &to->len, 8);
  if (recurs && to->addr == addr && old == tail) return;
  to->addr = addr;
  memcpy(&to->len, &tail, 8);
}

static void link_desc(struct desc *buffer, struct desc *to, int more, uint32_t next, int recurs) {
  uint16_t flags = (buffer->flags & F_WRITE) | (more ? F_NEXT : 0);
  describe(to, buffer->addr, buffer->len, flags, more ? next : 0, recurs);
}

static uint32_t write_chain(struct driver *d, uint32_t head, struct desc *buffers) {
  if (indirect) {
    for (uint32_t i = 0; i < chain_length; i++) link_desc(&buffers[i], &buffers[i], i + 1 < chain_length, i + 1, 1);
    describe(&d->desc[head], (uint8_t *)buffers - ram + RAM_BASE, chain_length * 16, F_INDIRECT, 0, in_order);
    return d->entries[head].next;
  }
  uint32_t free = head;
  for (uint32_t i = 0; i < chain_length; i++) {
    struct desc *to = &d->desc[free];
    free = d->entries[free].next;
    link_desc(&buffers[i], to, i + 1 < chain_length, free, in_order);
  }
  return free;
}

static void submit(struct driver *d, uint32_t count, uint32_t per_chain) {
  uint32_t free = d->free_head;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t head = free;
    free = write_chain(d, head, &d->requests[(size_t)head * chain_length]);
    uint16_t *ring = &d->avail->ring[(d->next_idx + i) & (size - 1)];
    if (!in_order || *ring != head) *ring = head;
  }
  uint32_t head = d->free_head;
  for (uint32_t i = 0; i < count; i++) {
    struct desc *buffers = &d->requests[(size_t)head * chain_length];
    for (uint32_t k = 0, at = 0; at < payload; at += buffers[k++].len) {
      uint8_t *to = ram + (buffers[k].addr - RAM_BASE);
      memcpy(to, d->source + at, buffers[k].len);
      if (k == 0) memcpy(to, &d->submitted, 4);
    }
    struct entry *entry = &d->entries[head];
    entry->descriptors = per_chain;
    entry->writable = 0;
    for (uint32_t k = 0; k < chain_length; k++)
      if (buffers[k].flags & F_WRITE) entry->writable += buffers[k].len;
    for (uint32_t k = 0; k < per_chain; k++) head = d->entries[head].next;
    d->submitted++;
  }
  d->free_head = free;
  d->free_count -= count * per_chain;
  d->in_flight += count;
  d->next_idx = (d->next_idx + count) & 0xffff;
}

// Takes `count` of the elements that used.idx was seen to cover; each is judged as driver.wasm does. 0 when one is nonsense.
static int reap_each(struct driver *d, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    struct elem element = d->used->ring[(d->reap_idx + i) & (size - 1)];
    if (element.id >= size) return 0;
    struct entry *entry = &d->entries[element.id];
    if (entry->descriptors == 0 || element.len > entry->writable) return 0;
    uint32_t last = element.id;
    for (uint32_t k = 1; k < entry->descriptors; k++) last = d->entries[last].next;
    // Behind the free list: descriptors that are used one after the other stay side by side.
    if (d->free_count == 0) d->free_head = element.id;
    d->entries[d->free_tail].next = element.id;
    d->free_tail = last;
    d->free_count += entry->descriptors;
    entry->descriptors = 0;
    d->reaped_len = element.len;
  }
  return 1;
}

// The same in order: an element stands for all chains up to its own.
static int reap_in_order(struct driver *d, uint32_t count, uint32_t pending) {
  uint32_t head = (d->free_head + d->free_count) & (size - 1);
  for (uint32_t i = 0; i < count; i++) {
    if (!d->in_batch) {
      d->batch = d->used->ring[(d->reap_idx + i) & (size - 1)];
      if (d->batch.id >= size) return 0;
      struct entry *entry = &d->entries[d->batch.id];
      if (entry->descriptors == 0 || d->batch.len > entry->writable) return 0;
    }
    d->in_batch = head != d->batch.id;
    if (d->in_batch && i + 1 == pending) return 0;
    struct entry *entry = &d->entries[head];
    d->reaped_len = d->in_batch ? entry->writable : d->batch.len;
    head = (head + entry->descriptors) & (size - 1);
    d->free_count += entry->descriptors;
    entry->descriptors = 0;
  }
  return 1;
}

static uint32_t pending(struct driver *d) { return (d->used_idx - d->reap_idx) & 0xffff; }

static int reap(struct driver *d) {
  uint32_t seen = pending(d), most = batch < REAPED ? REAPED : batch, count = seen < most ? seen : most;
  if (seen > d->in_flight || !(in_order ? reap_in_order(d, count, seen) : reap_each(d, count))) return 0;
  d->in_flight -= count;
  d->reap_idx = (d->reap_idx + count) & 0xffff;
  d->returned += count;
  return 1;
}

static int stream(struct driver *d, uint32_t target, uint32_t looks, uint32_t patience) {
  uint32_t per_chain = indirect ? 1 : chain_length, burst = 0, vain = 0, waited = 0;
  while (d->returned != target) {
    uint32_t left = target - d->submitted, want = left < batch ? left : batch;
    if (want > 0 && d->in_flight + want <= outstanding && want * per_chain <= d->free_count) {
      submit(d, want, per_chain);
      d->avail_idx = d->next_idx;
      atomic_store(&d->avail->idx, d->avail_idx);
      vain = 0;
      if (event_idx) {
        uint16_t old = d->kicked_idx;
        d->kicked_idx = d->avail_idx;
        if (need_event(atomic_load(avail_event(d->used)), d->avail_idx, old)) return NOTIFY;
      }
      continue;
    }
    if (pending(d) == 0) {
      d->used_idx = atomic_load(&d->used->idx);
      uint32_t seen = pending(d);
      if (seen == 0 || (seen < burst && !waited)) {
        if (seen == 0 && vain++ == looks) return IDLE;
        rest(&d->avail->flags, (burst - (seen < burst ? seen : burst)) * patience);
        waited = 1;
        if (seen == 0) burst >>= 1;
        continue;
      }
      waited = 0;
      burst += seen;
      if (burst > outstanding / 2) burst = outstanding / 2;
    }
    if (!reap(d)) return BROKEN;
  }
  return DONE;
}

// ---- the device

static uint8_t *translate(uint64_t addr, uint32_t len) {
  uint64_t at = addr - RAM_BASE;
  return at < ram_bytes && len <= ram_bytes - at ? ram + at : NULL;
}

static int publish(struct device *v, uint32_t from, uint32_t head) {
  if (in_order) v->used->ring[from & (size - 1)] = (struct elem){head, 0};
  atomic_store(&v->used->idx, v->next_used);
  return event_idx && need_event(atomic_load(used_event(v->avail)), v->next_used, from);
}

// Walks the chain at `index` by the standard's rules and copies its readable bytes out. 0 when a rule is broken.
static int take(struct device *v, uint32_t index) {
  struct desc *table = v->desc;
  uint32_t entries = size, count = 0, filled = 0, writable_seen = 0, in_table = 0, flags;
  double total = 0;
  do {
    if (index >= entries) return 0;
    struct desc d = table[index];
    flags = d.flags;
    index = d.next;
    if (flags & F_INDIRECT) {
      if (!indirect || in_table || flags & F_NEXT || d.len == 0 || d.len % 16 || d.len / 16 > size) return 0;
      if (!(table = (struct desc *)translate(d.addr, d.len))) return 0;
      entries = d.len / 16;
      index = 0;
      in_table = 1;
      flags = F_NEXT;
      continue;
    }
    total += d.len;
    if (count == size || d.len == 0 || (writable_seen && !(flags & F_WRITE)) || total > 4294967296.0) return 0;
    count++;
    writable_seen |= flags & F_WRITE;
    uint8_t *from = translate(d.addr, d.len);
    if (!from) return 0;
    if (filled < payload && !(flags & F_WRITE)) {
      uint32_t part = d.len < payload - filled ? d.len : payload - filled;
      memcpy(v->sink + filled, from, part);
      filled += part;
    }
  } while (flags & F_NEXT);
  if (filled >= 4) {
    uint32_t first;
    memcpy(&first, v->sink, 4);
    v->sum += first;
  }
  return 1;
}

static int consume(struct device *v, uint32_t most, uint32_t looks, uint32_t patience) {
  uint32_t next_avail = v->next_avail, seen = next_avail, published = v->next_used, head = 0;
  uint32_t burst = 0, vain = 0, waited = 0;
  int ended = DONE;
  v->taken = 0;
  while (v->taken < most) {
    uint32_t waiting = (v->next_used - published) & 0xffff;
    if (next_avail == seen) {
      seen = atomic_load(&v->avail->idx);
      if (((seen - next_avail + waiting) & 0xffff) > size) { ended = BROKEN; break; }
      uint32_t offered = (seen - next_avail) & 0xffff;
      if (offered == 0 || (offered < burst && !waited)) {
        if (waiting > 0) {
          int call = publish(v, published, head);
          published = v->next_used;
          if (call) { ended = NOTIFY; break; }
        } else if (offered == 0 && vain++ == looks) { ended = IDLE; break; }
        seen = next_avail;
        rest(&v->used->flags, (burst - (offered < burst ? offered : burst)) * patience);
        waited = 1;
        if (offered == 0) burst >>= 1;
        continue;
      }
      waited = 0;
      burst += offered;
      if (burst > size / 2) burst = size / 2;
      vain = 0;
    }
    uint32_t count = (seen - next_avail) & 0xffff, i = 0;
    if (count > most - v->taken) count = most - v->taken;
    if (count > used_batch - waiting) count = used_batch - waiting;
    for (uint32_t k = 0; k < count; k++)
      __builtin_prefetch(&v->desc[v->avail->ring[(next_avail + k) & (size - 1)] & (size - 1)]);
    for (; i < count; i++) {
      head = v->avail->ring[(next_avail + i) & (size - 1)];
      if (!take(v, head)) { ended = BROKEN; break; }
      if (!in_order) v->used->ring[(v->next_used + i) & (size - 1)] = (struct elem){head, 0};
    }
    next_avail = (next_avail + i) & 0xffff;
    v->next_used = (v->next_used + i) & 0xffff;
    v->taken += i;
    if (ended != DONE) break;
    if (waiting + count == used_batch) {
      int call = publish(v, published, head);
      published = v->next_used;
      if (call) { ended = NOTIFY; break; }
    }
  }
  if (published != v->next_used && publish(v, published, head)) ended = NOTIFY;
  v->next_avail = next_avail;
  return ended;
}

// ---- two threads

static struct { uint32_t requests, patience; int latency; } job;
enum { LEAD_ROUNDS = 4 }; // of all that may be in flight, before the clock starts
static int cores[2];
static pthread_barrier_t begin, end;
static uint64_t elapsed, waited[2], errors;
static uint64_t *latencies;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

// Nanoseconds for which this thread could have run and had no core.
static uint64_t run_delay(void) {
  unsigned long long on_cpu = 0, delay = 0;
  FILE *f = fopen("/proc/thread-self/schedstat", "r");
  if (f) {
    if (fscanf(f, "%llu %llu", &on_cpu, &delay) != 2) delay = 0;
    fclose(f);
  }
  return delay;
}

static void pin(int core) {
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

// Both loops visit the queues in turn until each has passed its share.
static void drive(uint32_t requests) {
  uint32_t open = queues, looks = queues == 1 ? LOOKS : 0;
  uint32_t targets[queues];
  for (uint32_t q = 0; q < queues; q++) targets[q] = drivers[q].returned + requests / queues;
  while (open > 0) {
    open = 0;
    for (uint32_t q = 0; q < queues; q++) {
      int ended = stream(&drivers[q], targets[q], looks, job.patience);
      if (ended == BROKEN) { errors++; return; }
      if (ended != DONE) open++;
    }
  }
}

static void serve(uint32_t requests) {
  uint32_t looks = queues == 1 ? LOOKS : 0;
  uint64_t left = (uint64_t)(requests / queues) * queues;
  while (left > 0) {
    for (uint32_t q = 0; q < queues; q++) {
      if (consume(&devices[q], left < 0x8000 ? left : 0x8000, looks, job.patience) == BROKEN) { errors++; return; }
      left -= devices[q].taken;
    }
  }
}

static uint32_t lead(void) { return LEAD_ROUNDS * (job.latency ? 1 : outstanding * queues); }

static void *driver_thread(void *none) {
  pin(cores[0]);
  for (;;) {
    pthread_barrier_wait(&begin);
    drive(lead());
    uint64_t delay = run_delay(), start = now();
    if (job.latency) {
      for (uint32_t i = 0; i < job.requests; i++) {
        uint64_t at = now();
        drive(1);
        latencies[i] = now() - at;
      }
    } else drive(job.requests);
    elapsed = now() - start;
    waited[0] = run_delay() - delay;
    pthread_barrier_wait(&end);
  }
  return none;
}

static void *device_thread(void *none) {
  pin(cores[1]);
  for (;;) {
    pthread_barrier_wait(&begin);
    uint64_t delay = run_delay();
    serve(lead() + job.requests);
    waited[1] = run_delay() - delay;
    pthread_barrier_wait(&end);
  }
  return none;
}

// ---- a futex ping-pong: both threads sleep for each turn

static _Atomic uint32_t ball;

static void turn(uint32_t mine, uint32_t rounds) {
  for (uint32_t i = 0; i < rounds; i++) {
    while (atomic_load(&ball) != mine) syscall(SYS_futex, &ball, FUTEX_WAIT_PRIVATE, 1 - mine, NULL, NULL, 0);
    atomic_store(&ball, 1 - mine);
    syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  }
}

static void *pong(void *rounds) {
  pin(cores[1]);
  turn(1, (uint32_t)(uintptr_t)rounds);
  return NULL;
}

static void futex(uint32_t rounds) {
  pthread_t other;
  pin(cores[0]);
  ball = 0;
  pthread_create(&other, NULL, pong, (void *)(uintptr_t)rounds);
  uint64_t start = now();
  turn(0, rounds);
  pthread_join(other, NULL);
  printf("%llu\n", (unsigned long long)((now() - start) / rounds));
}

// ---- set-up

static void *zeroed(size_t bytes) {
  void *at = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!at) exit(1);
  return memset(at, 0, (bytes + 4095) / 4096 * 4096);
}

static void lay_out(void) {
  uint32_t buffer = payload ? payload / chain_length : 16, stride = (buffer + 63) / 64 * 64;
  size_t requests = (size_t)size * chain_length;
  size_t per_queue = requests * sizeof(struct desc) + requests * stride;
  ram_bytes = per_queue * queues;
  ram = zeroed(ram_bytes);
  drivers = zeroed(queues * sizeof *drivers);
  devices = zeroed(queues * sizeof *devices);
  for (uint32_t q = 0; q < queues; q++) {
    struct driver *d = &drivers[q];
    d->desc = zeroed(size * sizeof(struct desc) + 6 + 2 * size);
    d->avail = (struct avail *)(d->desc + size);
    d->used = zeroed(6 + 8 * size);
    d->entries = zeroed(size * sizeof(struct entry));
    d->source = zeroed(payload + 1);
    d->free_count = size;
    d->free_tail = size - 1;
    d->requests = (struct desc *)(ram + per_queue * q);
    for (uint32_t i = 0; i < size; i++) d->entries[i].next = (i + 1) & (size - 1);
    for (size_t i = 0; i < requests; i++)
      d->requests[i] = (struct desc){RAM_BASE + per_queue * q + requests * sizeof(struct desc) + i * stride, buffer, 0, 0};
    for (uint32_t i = 0; i < payload; i++) d->source[i] = i;
    devices[q] = (struct device){d->desc, d->avail, d->used, 0, 0, 0, 0, zeroed(payload + 1)};
    atomic_store(avail_event(d->used), 0xffff); // neither side wants to be told: both poll
    atomic_store(used_event(d->avail), 0xffff);
  }
}

// Whether every request of every queue has come through.
static int intact(uint32_t requests) {
  static uint32_t passed; // of each queue
  for (uint32_t q = 0; q < queues && payload >= 4; q++) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < requests; i++) sum += passed + i;
    if (devices[q].sum != sum) return 0;
    for (uint32_t i = 4; i < payload; i++)
      if (devices[q].sink[i] != drivers[q].source[i]) return 0;
  }
  passed += requests;
  return errors == 0;
}

int main(int argc, char **argv) {
  uint32_t *options[] = {&size, &batch, &outstanding, &chain_length, &payload, &queues, &event_idx, &indirect, &in_order};
  if (argc != 12) return 2;
  for (int i = 0; i < 9; i++) *options[i] = strtoul(argv[i + 1], NULL, 10);
  for (int i = 0; i < 2; i++) cores[i] = atoi(argv[i + 10]);
  used_batch = size / 8;
  lay_out();
  pthread_barrier_init(&begin, NULL, 3);
  pthread_barrier_init(&end, NULL, 3);
  pthread_t thread;
  pthread_create(&thread, NULL, driver_thread, NULL);
  pthread_create(&thread, NULL, device_thread, NULL);
  char what[16];
  for (uint32_t count, patience; scanf("%15s %u %u", what, &count, &patience) == 3; fflush(stdout)) {
    if (!strcmp(what, "futex")) {
      futex(count);
      continue;
    }
    job.requests = count;
    job.patience = patience;
    job.latency = !strcmp(what, "latency");
    if (job.latency) latencies = realloc(latencies, count * sizeof *latencies);
    for (uint32_t q = 0; q < queues; q++) devices[q].sum = 0;
    pthread_barrier_wait(&begin);
    pthread_barrier_wait(&end);
    if (!intact((lead() + count) / queues)) return 1;
    if (job.latency) {
      for (uint32_t i = 0; i < count; i++) printf("%llu ", (unsigned long long)latencies[i]);
      printf("\n");
    } else
      printf("%llu %llu %llu\n", (unsigned long long)elapsed, (unsigned long long)waited[0], (unsigned long long)waited[1]);
  }
  return 0;
}
