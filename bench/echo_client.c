/* A client for the echo benchmark: keeps one request on its way on each of several connections.

   echo_client PORT CONNECTIONS BYTES SECONDS

   After a fifth of SECONDS to warm up it counts for SECONDS and prints one JSON line: the time of a request in ns
   (the clock divided by the requests of all connections), the latency's median and 99th percentile in ns, and which
   part of the time the client itself was on the CPU. Knows nothing of who serves. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define MAX_BYTES 65536
#define MAX_LATENCIES 10000000

struct connection {
  int fd;
  int64_t sent_at;
  size_t missing;
};

static struct connection connections[MAX_CONNECTIONS];
static char message[MAX_BYTES];
static uint32_t *latencies;
static size_t n_latencies;

static int64_t
now (clockid_t clock)
{
  struct timespec t;

  clock_gettime (clock, &t);
  return t.tv_sec * INT64_C (1000000000) + t.tv_nsec;
}

static void
fail (const char *what)
{
  fprintf (stderr, "echo_client: %s: %s\n", what, strerror (errno));
  exit (1);
}

static void
send_request (struct connection *c, size_t bytes)
{
  c->sent_at = now (CLOCK_MONOTONIC);
  c->missing = bytes;
  if (send (c->fd, message, bytes, MSG_NOSIGNAL) != (ssize_t) bytes)
    fail ("send");
}

static void
open_connection (struct connection *c, int port, int epoll)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
  int one = 1;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  c->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0 || connect (c->fd, (struct sockaddr *) &address, sizeof address) < 0)
    fail ("connect");
  setsockopt (c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (epoll_ctl (epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
    fail ("epoll_ctl");
}

static void
receive (struct connection *c)
{
  static char buffer[MAX_BYTES];
  ssize_t got = recv (c->fd, buffer, c->missing, 0);

  if (got <= 0)
    fail ("recv");
  c->missing -= got;
}

/* Takes what arrived; if that completes an answer, notes its latency and sends the next request. */
static void
answered (struct connection *c, size_t bytes)
{
  receive (c);
  if (c->missing > 0)
    return;
  if (n_latencies < MAX_LATENCIES)
    latencies[n_latencies++] = now (CLOCK_MONOTONIC) - c->sent_at;
  send_request (c, bytes);
}

static void
run_until (int64_t end, int epoll, size_t bytes)
{
  struct epoll_event events[64];

  while (now (CLOCK_MONOTONIC) < end)
    {
      int n = epoll_wait (epoll, events, 64, 1000);

      if (n == 0)
        {
          errno = ETIMEDOUT;
          fail ("no answer within a second");
        }
      for (int i = 0; i < n; i++)
        answered (events[i].data.ptr, bytes);
    }
}

static int
by_value (const void *a, const void *b)
{
  uint32_t left = *(const uint32_t *) a, right = *(const uint32_t *) b;

  return (left > right) - (left < right);
}

int
main (int argc, char **argv)
{
  if (argc != 5 || atoi (argv[2]) > MAX_CONNECTIONS || atoi (argv[3]) > MAX_BYTES)
    {
      fprintf (stderr, "usage: echo_client PORT CONNECTIONS BYTES SECONDS\n");
      return 2;
    }
  int n_connections = atoi (argv[2]), epoll = epoll_create1 (EPOLL_CLOEXEC);
  size_t bytes = atoi (argv[3]);
  int64_t span = atof (argv[4]) * 1e9;

  latencies = malloc (MAX_LATENCIES * sizeof *latencies);
  memset (message, 'x', sizeof message);
  for (int i = 0; i < n_connections; i++)
    open_connection (&connections[i], atoi (argv[1]), epoll);
  for (int i = 0; i < n_connections; i++)
    send_request (&connections[i], bytes);

  run_until (now (CLOCK_MONOTONIC) + span / 5, epoll, bytes);
  n_latencies = 0;
  int64_t start = now (CLOCK_MONOTONIC), cpu_start = now (CLOCK_PROCESS_CPUTIME_ID);
  run_until (start + span, epoll, bytes);
  double elapsed = now (CLOCK_MONOTONIC) - start, cpu = now (CLOCK_PROCESS_CPUTIME_ID) - cpu_start;

  /* Data unread at the end would reset the connections, which servers report as errors. */
  for (int i = 0; i < n_connections; i++)
    while (connections[i].missing > 0)
      receive (&connections[i]);
  if (n_latencies == 0)
    return 1;
  qsort (latencies, n_latencies, sizeof *latencies, by_value);
  printf ("{\"time\": %.1f, \"p50\": %u, \"p99\": %u, \"client_load\": %.3f}\n", elapsed / n_latencies,
          latencies[n_latencies / 2], latencies[n_latencies * 99 / 100], cpu / elapsed);
  return 0;
}
