/* The workloads for libdex: fibers in C on the same GLib main loop, with no Python at all.

   dex WORKLOAD [SIZE] [--operations N] [--seconds S]

   Prints the same JSON line as the workloads in Python and finds a sample's length the same way; one libdex has no
   equivalent of gets no figures. Everything runs in a fiber of the main scheduler, as gleenlet's run in a task. */

#include <libdex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 100
#define TIMERS 100
#define NAP_US 10
#define ROOM 16

typedef double (*Sample) (long n);

static long size;
static Sample chosen;
static GMainLoop *loop;

static double
seconds (clockid_t clock)
{
  struct timespec t;

  clock_gettime (clock, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double
wall (void)
{
  return seconds (CLOCK_MONOTONIC);
}

static DexFuture *
spawn (DexFiberFunc function, gpointer data)
{
  return dex_scheduler_spawn (NULL, 0, function, data, NULL);
}

static void
join (DexFuture **tasks, long n)
{
  for (long i = 0; i < n; i++)
    dex_await (tasks[i], NULL);
}

static DexFuture *
nothing (gpointer data)
{
  (void) data;
  return dex_future_new_true ();
}

/* A promise can be kept once, so each wait takes a new one, as with trio's events. */
struct table
{
  DexPromise *balls[2];
  long turns;
};

static DexFuture *
play (struct table *table, int mine)
{
  for (long i = 0; i < table->turns; i++)
    {
      dex_await (dex_ref (DEX_FUTURE (table->balls[mine])), NULL);
      dex_clear (&table->balls[mine]);
      table->balls[mine] = dex_promise_new ();
      dex_promise_resolve_boolean (table->balls[!mine], TRUE);
    }
  return dex_future_new_true ();
}

static DexFuture *
play_left (gpointer table)
{
  return play (table, 0);
}

static DexFuture *
play_right (gpointer table)
{
  return play (table, 1);
}

static double
ping_pong (long n)
{
  struct table table = { { dex_promise_new (), dex_promise_new () }, n };
  DexFuture *tasks[] = { spawn (play_left, &table), spawn (play_right, &table) };
  double start = wall ();

  dex_promise_resolve_boolean (table.balls[0], TRUE);
  join (tasks, 2);
  double elapsed = wall () - start;
  dex_unref (table.balls[0]);
  dex_unref (table.balls[1]);
  return elapsed;
}

static double
spawn_join (long n)
{
  DexFuture *tasks[BATCH];
  double start = wall ();

  for (long batch = 0; batch < n / BATCH; batch++)
    {
      for (int i = 0; i < BATCH; i++)
        tasks[i] = spawn (nothing, NULL);
      join (tasks, BATCH);
    }
  return wall () - start;
}

static DexFuture *
chain_link (gpointer below)
{
  if (GPOINTER_TO_INT (below) > 0)
    dex_await (spawn (chain_link, GINT_TO_POINTER (GPOINTER_TO_INT (below) - 1)), NULL);
  return dex_future_new_true ();
}

static double
spawn_nested (long n)
{
  double start = wall ();

  for (long batch = 0; batch < n / BATCH; batch++)
    dex_await (spawn (chain_link, GINT_TO_POINTER (BATCH - 1)), NULL);
  return wall () - start;
}

static DexFuture *
sleep_once (gpointer us)
{
  dex_await (dex_timeout_new_usec (*(gint64 *) us), NULL);
  return dex_future_new_true ();
}

static double
sleepers (long n)
{
  g_autofree DexFuture **tasks = g_new (DexFuture *, size);
  gint64 nap = size * 40;
  double start = seconds (CLOCK_PROCESS_CPUTIME_ID);

  for (long crowd = 0; crowd < n / size; crowd++)
    {
      for (long i = 0; i < size; i++)
        tasks[i] = spawn (sleep_once, &nap);
      join (tasks, size);
    }
  return seconds (CLOCK_PROCESS_CPUTIME_ID) - start;
}

static DexFuture *
sleep_often (gpointer naps)
{
  for (long i = 0; i < *(long *) naps; i++)
    dex_await (dex_timeout_new_usec (NAP_US), NULL);
  return dex_future_new_true ();
}

static double
timers (long n)
{
  DexFuture *tasks[TIMERS];
  long naps = n / TIMERS;
  double start = wall ();

  for (int i = 0; i < TIMERS; i++)
    tasks[i] = spawn (sleep_often, &naps);
  join (tasks, TIMERS);
  return wall () - start;
}

struct belt
{
  DexChannel *channel;
  long items;
};

static DexFuture *
produce (gpointer data)
{
  struct belt *belt = data;

  for (long i = 0; i < belt->items; i++)
    dex_await (dex_channel_send (belt->channel, dex_future_new_for_int64 (i)), NULL);
  return dex_future_new_true ();
}

static DexFuture *
consume (gpointer data)
{
  struct belt *belt = data;

  for (long i = 0; i < belt->items; i++)
    if (dex_await_int64 (dex_channel_receive (belt->channel), NULL) != i)
      g_error ("the channel lost an item");
  return dex_future_new_true ();
}

static double
queue_items (long n)
{
  struct belt belt = { dex_channel_new (ROOM), n };
  DexFuture *tasks[] = { spawn (produce, &belt), spawn (consume, &belt) };
  double start = wall ();

  join (tasks, 2);
  double elapsed = wall () - start;
  dex_unref (belt.channel);
  return elapsed;
}

static double
gio_calls (long n)
{
  g_autoptr (GFile) file = g_file_new_for_path ("/proc/self/exe");
  double start = wall ();

  for (long i = 0; i < n; i++)
    {
      g_autoptr (GFileInfo) info = dex_await_object (
        dex_file_query_info (file, "standard::size", G_FILE_QUERY_INFO_NONE, G_PRIORITY_DEFAULT), NULL);
      if (info == NULL)
        g_error ("no answer from Gio");
    }
  return wall () - start;
}

static double
dbus_calls (long n)
{
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  double start = wall ();

  for (long i = 0; i < n; i++)
    {
      g_autoptr (GVariant) id = dex_await_variant (
        dex_dbus_connection_call (bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                  "GetId", NULL, G_VARIANT_TYPE ("(s)"), G_DBUS_CALL_FLAGS_NONE, -1),
        NULL);
      if (id == NULL)
        g_error ("no answer from the bus");
    }
  return wall () - start;
}

static long
resident (void)
{
  long total, pages;
  FILE *statm = fopen ("/proc/self/statm", "r");

  if (statm == NULL || fscanf (statm, "%ld %ld", &total, &pages) != 2)
    g_error ("cannot read /proc/self/statm");
  fclose (statm);
  return pages * sysconf (_SC_PAGESIZE);
}

static long asleep;

static DexFuture *
sleep_long (gpointer data)
{
  (void) data;
  asleep++;
  dex_await (dex_timeout_new_seconds (3600), NULL);
  return dex_future_new_true ();
}

/* Prints the figure itself and ends the process. */
static double
memory (long n)
{
  long sleepers = size > 0 ? size : 20000;

  (void) n;
  dex_await (spawn (nothing, NULL), NULL);
  long before = resident ();
  for (long i = 0; i < sleepers; i++)
    dex_future_disown (spawn (sleep_long, NULL));
  while (asleep < sleepers)
    dex_await (dex_timeout_new_msec (10), NULL);
  printf ("{\"figures\": {\"memory\": %.1f}, \"operations\": null}\n", (double) (resident () - before) / sleepers);
  fflush (stdout);
  _exit (0);
}

static const struct
{
  const char *name;
  Sample sample;
  long step; /* 0: the size */
} workloads[] = {
  { "ping_pong", ping_pong, 100 },
  { "spawn_join", spawn_join, BATCH },
  { "spawn_nested", spawn_nested, BATCH },
  { "sleepers", sleepers, 0 },
  { "timers", timers, TIMERS },
  { "queue_items", queue_items, ROOM },
  { "gio_calls", gio_calls, 10 },
  { "dbus_calls", dbus_calls, 10 },
  { "memory", memory, 1 },
};

static long step = 1, operations;
static double least = 0.2, elapsed;

static DexFuture *
measure (gpointer data)
{
  (void) data;
  if (operations > 0)
    {
      if (operations / 10 / step > 0)
        chosen (operations / 10 / step * step);
      elapsed = chosen (operations);
    }
  else
    for (operations = step; (elapsed = chosen (operations)) < least;)
      {
        double growth = CLAMP (least * 1.1 / MAX (elapsed, 1e-9), 1.1, 100);
        operations = MAX ((long) (operations * growth) / step, operations / step + 1) * step;
      }
  g_main_loop_quit (loop);
  return dex_future_new_true ();
}

int
main (int argc, char **argv)
{
  if (argc < 2)
    return 2;
  for (int i = 2; i < argc; i++)
    if (strcmp (argv[i], "--operations") == 0 && i + 1 < argc)
      operations = atol (argv[++i]);
    else if (strcmp (argv[i], "--seconds") == 0 && i + 1 < argc)
      least = atof (argv[++i]);
    else
      size = atol (argv[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (workloads); i++)
    if (strcmp (workloads[i].name, argv[1]) == 0)
      {
        chosen = workloads[i].sample;
        step = workloads[i].step > 0 ? workloads[i].step : MAX (size, 1);
      }
  if (chosen == NULL)
    {
      printf ("{\"figures\": {}, \"operations\": null}\n");
      return 0;
    }
  size = MAX (size, strcmp (argv[1], "sleepers") == 0);
  dex_init ();
  loop = g_main_loop_new (NULL, FALSE);
  dex_future_disown (spawn (measure, NULL));
  g_main_loop_run (loop);
  printf ("{\"figures\": {\"time\": %.2f}, \"operations\": %ld}\n", elapsed / operations * 1e9, operations);
  return 0;
}
