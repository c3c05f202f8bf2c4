/**
 * libtensorflow logs while it is being loaded, before any log level applies: two or three lines on every
 * command that mean nothing to the user. A library without dependencies, linked last and so
 * initialised first, redirects stderr to nothing; the binding, initialised after all that it links,
 * restores it. `TF_CPP_MIN_LOG_LEVEL=0` leaves stderr alone. (If a system initialises in another order,
 * the lines are shown and nothing else changes.)
 */

/** The file name of the library, in the folder of the binding. */
export const MUTE_LIBRARY = 'libhaze_mute.so';

/** The library's C++ source. */
export const MUTE_SOURCE = `
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int saved = -1;

__attribute__((constructor)) static void mute() {
  const char *level = getenv("TF_CPP_MIN_LOG_LEVEL");
  if (level && strcmp(level, "0") == 0) return;
  int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nothing < 0) return;
  saved = fcntl(2, F_DUPFD_CLOEXEC, 3);
  if (saved >= 0) dup2(nothing, 2);
  close(nothing);
}

extern "C" void haze_unmute() {
  if (saved < 0) return;
  dup2(saved, 2);
  close(saved);
  saved = -1;
}
`;

/** C++ that is compiled into the binding. */
export const UNMUTE_SOURCE = `
extern "C" void haze_unmute();

__attribute__((constructor)) static void loaded() { haze_unmute(); }
`;
