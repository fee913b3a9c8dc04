/* The other side of the D-Bus benchmark, so small that it is not the bottleneck.

   dbus_peer serve NAME         owns NAME, says so with a line, and sends back each call's arguments; who sends none
                                gets the description of INTERFACE
   dbus_peer ask NAME N SECONDS keeps N calls ("hello", 5) on their way; after a fifth of SECONDS to warm up it counts
                                for SECONDS and prints one JSON line: the time of a call in ns (the clock divided by
                                all calls), the latency's median and 99th percentile, and how many calls there were

   Speaks just enough of the protocol with the bus that DBUS_SESSION_BUS_ADDRESS names: little-endian messages, no
   files. Knows nothing of who is asked or asks. */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SIZE (1 << 20)
#define MAX_CALLS 4000000
#define INTERFACE_NAME "org.example.Echo"
#define OBJECT "/org/example/Echo"
#define DESCRIPTION "<node><interface name='" INTERFACE_NAME "'><method name='Echo'><arg type='s' direction='in'/>" \
  "<arg type='i' direction='in'/><arg type='s' direction='out'/><arg type='i' direction='out'/></method></interface></node>"

enum { CALL = 1, REPLY, ERROR };
enum { PATH = 1, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE };

static int bus;
static unsigned char input[SIZE], output[SIZE];
static size_t n_input, n_output;
static uint32_t serial;

static void
fail (const char *what)
{
  fprintf (stderr, "dbus_peer: %s: %s\n", what, errno ? strerror (errno) : "not understood");
  exit (1);
}

static void
flush (void)
{
  for (size_t sent = 0; sent < n_output;)
    {
      ssize_t n = send (bus, output + sent, n_output - sent, MSG_NOSIGNAL);
      if (n <= 0)
        fail ("send");
      sent += n;
    }
  n_output = 0;
}

/* ---- messages out: a header's fields in any order, each aligned to 8 ---- */

static size_t start;            /* of the message being written */

static void
align (size_t to)
{
  while ((n_output - start) % to)
    output[n_output++] = 0;
}

static void
put_uint32 (uint32_t value)
{
  align (4);
  memcpy (output + n_output, &value, 4);
  n_output += 4;
}

static void
put_string (const char *text)
{
  put_uint32 (strlen (text));
  memcpy (output + n_output, text, strlen (text) + 1);
  n_output += strlen (text) + 1;
}

static void
put_signature (const char *text)
{
  output[n_output++] = strlen (text);
  memcpy (output + n_output, text, strlen (text) + 1);
  n_output += strlen (text) + 1;
}

static void
put_field (int field, const char *type)
{
  align (8);
  output[n_output++] = field;
  put_signature (type);
}

static void
begin (int type)
{
  if (n_output > SIZE / 2)
    flush ();
  start = n_output;
  memcpy (output + n_output, (unsigned char[]) { 'l', type, 0, 1 }, 4);
  n_output += 4;
  put_uint32 (0);               /* the body's length, and that of the fields: `end` knows them */
  put_uint32 (++serial);
  put_uint32 (0);
}

static void
end (const char *signature, const void *body, uint32_t size)
{
  uint32_t fields;

  if (size)
    {
      put_field (SIGNATURE, "g");
      put_signature (signature);
    }
  fields = n_output - start - 16;
  memcpy (output + start + 4, &size, 4);
  memcpy (output + start + 12, &fields, 4);
  align (8);
  memcpy (output + n_output, body, size);
  n_output += size;
}

static void
call (const char *name, const char *path, const char *interface, const char *member, const char *signature,
      const void *body, uint32_t size)
{
  begin (CALL);
  put_field (PATH, "o");
  put_string (path);
  put_field (INTERFACE, "s");
  put_string (interface);
  put_field (MEMBER, "s");
  put_string (member);
  put_field (DESTINATION, "s");
  put_string (name);
  end (signature, body, size);
}

/* ---- messages in ---- */

struct message {
  int type;
  uint32_t serial, reply_serial, body_size;
  const char *sender, *signature;
  const unsigned char *body;
};

static void
parse (const unsigned char *data, uint32_t fields, struct message *message)
{
  size_t at = 16, stop = 16 + fields;

  while (at < stop)
    {
      int field, type;
      uint32_t word;

      at = (at + 7) & ~(size_t) 7;
      field = data[at];
      type = data[at + 2];      /* a signature: its length, one letter, a zero */
      at += 4;
      if (type == 'g')
        {
          if (field == SIGNATURE)
            message->signature = (const char *) data + at + 1;
          at += data[at] + 2;
          continue;
        }
      at = (at + 3) & ~(size_t) 3;
      memcpy (&word, data + at, 4);
      at += 4;
      if (type == 'u' && field == REPLY_SERIAL)
        message->reply_serial = word;
      else if (type != 'u')
        {
          if (field == SENDER)
            message->sender = (const char *) data + at;
          at += word + 1;
        }
    }
}

/* The next message; waits for it, after sending what is due, if it has not come with the last. */
static void
receive (struct message *message)
{
  static size_t taken;
  uint32_t body, fields;
  size_t header, size;

  for (;;)
    {
      if (n_input - taken >= 16)
        {
          memcpy (&body, input + taken + 4, 4);
          memcpy (&fields, input + taken + 12, 4);
          header = (16 + (size_t) fields + 7) & ~(size_t) 7;
          size = header + body;
          if (n_input - taken >= size)
            break;
        }
      memmove (input, input + taken, n_input - taken);
      n_input -= taken;
      taken = 0;
      flush ();
      ssize_t n = recv (bus, input + n_input, SIZE - n_input, 0);
      if (n <= 0)
        fail ("recv");
      n_input += n;
    }
  *message = (struct message) { .type = input[taken + 1], .body_size = body, .body = input + taken + header };
  memcpy (&message->serial, input + taken + 8, 4);
  parse (input + taken, fields, message);
  taken += size;
}

/* ---- the bus ---- */

static void
connect_to_bus (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  const char *text = getenv ("DBUS_SESSION_BUS_ADDRESS"), *path;
  char line[256], *hex = line;
  size_t length;

  errno = 0;
  if (!text || !(path = strstr (text, "path=")) || (length = strcspn (path + 5, ",;")) >= sizeof address.sun_path)
    fail ("DBUS_SESSION_BUS_ADDRESS, which has to name a unix:path=");
  memcpy (address.sun_path, path + 5, length);
  bus = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bus < 0 || connect (bus, (struct sockaddr *) &address, sizeof address) < 0)
    fail ("connect");
  snprintf (line, sizeof line, "%u", getuid ());
  n_output = 1;                 /* a zero comes first */
  n_output += sprintf ((char *) output + 1, "AUTH EXTERNAL ");
  for (; *hex; hex++)
    n_output += sprintf ((char *) output + n_output, "%02x", *hex);
  n_output += sprintf ((char *) output + n_output, "\r\n");
  flush ();
  if (recv (bus, line, sizeof line, 0) < 2 || memcmp (line, "OK", 2))
    fail ("AUTH");
  n_output = sprintf ((char *) output, "BEGIN\r\n");
  call ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", "", NULL, 0);
}

/* The body of ("hello", 5), or with another string and number. */
static uint32_t
make_body (unsigned char *body, const char *text, uint32_t number)
{
  uint32_t length = strlen (text), padded = (4 + length + 1 + 3) & ~3u;

  memset (body, 0, padded);
  memcpy (body, &length, 4);
  memcpy (body + 4, text, length);
  memcpy (body + padded, &number, 4);
  return padded + 4;
}

static void
serve (const char *name)
{
  unsigned char body[1024];
  struct message message;

  call ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", body,
        make_body (body, name, 4));
  for (uint32_t request = serial;;)
    {
      receive (&message);
      if (message.type == REPLY && message.reply_serial == request)
        {
          puts ("ready");
          fflush (stdout);
        }
      if (message.type != CALL)
        continue;
      begin (REPLY);
      put_field (REPLY_SERIAL, "u");
      put_uint32 (message.serial);
      put_field (DESTINATION, "s");
      put_string (message.sender);
      if (message.body_size)
        end (message.signature, message.body, message.body_size);
      else
        end ("s", body, make_body (body, DESCRIPTION, 0) - 4);
    }
}

static int64_t
now (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C (1000000000) + t.tv_nsec;
}

static int
compare (const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

  return (x > y) - (x < y);
}

static void
ask (const char *name, unsigned concurrent, double seconds)
{
  static int64_t sent_at[MAX_CALLS];    /* by serial */
  static uint32_t latencies[MAX_CALLS];
  unsigned on_their_way = 0, calls = 0, counted = 0;
  unsigned char body[64];
  uint32_t size = make_body (body, "hello", 5);
  int64_t begin_at = now () + seconds * 0.2e9, end_at = begin_at + seconds * 1e9, t = 0;
  struct message message;

  while (t < end_at && serial + concurrent < MAX_CALLS)
    {
      for (; on_their_way < concurrent; on_their_way++)
        {
          call (name, OBJECT, INTERFACE_NAME, "Echo", "si", body, size);
          sent_at[serial] = now ();
        }
      do
        receive (&message);
      while (message.type == 4 || message.reply_serial <= 1);   /* signals, and the answer to Hello */
      errno = 0;
      if (message.type != REPLY || message.body_size != size || memcmp (message.body, body, size))
        fail (message.type == ERROR && message.body_size ? (const char *) message.body + 4 : "reply");
      t = now ();
      on_their_way--;
      calls++;
      if (t >= begin_at)
        latencies[counted++] = t - sent_at[message.reply_serial];
    }
  qsort (latencies, counted, sizeof *latencies, compare);
  printf ("{\"time\": %.0f, \"p50\": %u, \"p99\": %u, \"calls\": %u}\n", (double) (t - begin_at) / counted,
          latencies[counted / 2], latencies[counted / 100 * 99], calls);
}

int
main (int argc, char **argv)
{
  if (argc == 3 && !strcmp (argv[1], "serve"))
    {
      connect_to_bus ();
      serve (argv[2]);
    }
  if (argc != 5 || strcmp (argv[1], "ask"))
    {
      fprintf (stderr, "usage: dbus_peer serve NAME | ask NAME N SECONDS\n");
      return 2;
    }
  connect_to_bus ();
  ask (argv[2], atoi (argv[3]), atof (argv[4]));
  return 0;
}
