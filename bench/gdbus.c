/* The D-Bus benchmark's echo on Gio in C: what is left of a call's cost when no Python is in it.

   gdbus client NAME N SECONDS  as bench/dbus_peer.c's `ask`, with the CPU time of a call
   gdbus service NAME           owns NAME, says so with a line, and answers until it is killed */

#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OBJECT "/org/example/Echo"
#define INTERFACE "org.example.Echo"
#define DESCRIPTION "<node><interface name='" INTERFACE "'><method name='Echo'><arg type='s'/><arg type='i'/>" \
  "<arg type='s' direction='out'/><arg type='i' direction='out'/></method></interface></node>"

static GMainLoop *loop;
static const char *name;
static gint64 begin_at, end_at;
static GArray *latencies;
static unsigned running;
static double cpu;

static double
cpu_time (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void answered (GObject *bus, GAsyncResult *result, gpointer data);

static void
ask (GDBusConnection *bus, gint64 *sent)
{
  *sent = g_get_monotonic_time ();
  g_dbus_connection_call (bus, name, OBJECT, INTERFACE, "Echo", g_variant_new ("(si)", "hello", 5),
                          G_VARIANT_TYPE ("(si)"), G_DBUS_CALL_FLAGS_NONE, G_MAXINT, NULL, answered, sent);
}

static void
answered (GObject *bus, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (bus), result, &error);
  gint64 now = g_get_monotonic_time (), *sent = data;
  guint32 latency = now - *sent;
  const char *text;
  int number;

  if (!reply)
    g_error ("%s", error->message);
  g_variant_get (reply, "(&si)", &text, &number);
  if (now >= begin_at)
    {
      if (!latencies->len)
        cpu = cpu_time ();
      g_array_append_val (latencies, latency);
    }
  if (now < end_at)
    ask (G_DBUS_CONNECTION (bus), sent);
  else if (!--running)
    g_main_loop_quit (loop);
}

static int
compare (const void *a, const void *b)
{
  guint32 x = *(const guint32 *) a, y = *(const guint32 *) b;

  return (x > y) - (x < y);
}

static void
client (GDBusConnection *bus, unsigned concurrent, double seconds)
{
  gint64 *sent = g_new (gint64, concurrent);
  guint32 *sorted;

  begin_at = g_get_monotonic_time () + (gint64) (seconds * 0.2e6);
  end_at = begin_at + (gint64) (seconds * 1e6);
  latencies = g_array_new (FALSE, FALSE, sizeof (guint32));
  for (running = 0; running < concurrent; running++)
    ask (bus, sent + running);
  g_main_loop_run (loop);
  cpu = cpu_time () - cpu;
  g_array_sort (latencies, compare);
  sorted = (guint32 *) latencies->data;
  printf ("{\"time\": %.0f, \"p50\": %u000, \"p99\": %u000, \"cpu\": %.0f}\n", seconds * 1e9 / latencies->len,
          sorted[latencies->len / 2], sorted[latencies->len / 100 * 99], cpu / latencies->len);
}

static void
called (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *member,
        GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data)
{
  const char *text;
  int number;

  g_variant_get (arguments, "(&si)", &text, &number);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(si)", text, number));
}

static void
owned (GDBusConnection *bus, const char *owned_name, gpointer data)
{
  puts ("ready");
  fflush (stdout);
}

static void
service (GDBusConnection *bus)
{
  static const GDBusInterfaceVTable functions = { .method_call = called };
  GDBusNodeInfo *node = g_dbus_node_info_new_for_xml (DESCRIPTION, NULL);

  g_dbus_connection_register_object (bus, OBJECT, node->interfaces[0], &functions, NULL, NULL, NULL);
  g_bus_own_name_on_connection (bus, name, G_BUS_NAME_OWNER_FLAGS_NONE, owned, NULL, NULL, NULL);
  g_main_loop_run (loop);
}

int
main (int argc, char **argv)
{
  GDBusConnection *bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);

  loop = g_main_loop_new (NULL, FALSE);
  name = argc > 2 ? argv[2] : NULL;
  if (bus && argc == 5 && !strcmp (argv[1], "client"))
    client (bus, atoi (argv[3]), atof (argv[4]));
  else if (bus && argc == 3 && !strcmp (argv[1], "service"))
    service (bus);
  else
    return 2;
  return 0;
}
