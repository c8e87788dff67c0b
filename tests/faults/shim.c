// Runs a command and lets one of its system calls, or every one, go wrong.
//
//   shim REPORT ROOT CALLS FAULT NTH -- COMMAND [ARG...]
//
// Counts the command's calls named in CALLS (comma-separated) that concern a path below ROOT. The NTH of them (0: each) meets
// FAULT: a number is the errno it fails with, `kill` is a SIGKILL before it happens, `short` moves half the bytes
// that were asked for, `hold` makes it wait, with a file REPORT.held that is there until somebody removes it. `cut`
// is a `kill`, and takes from every file what was written to its end and not synced, however the command ended.
// REPORT gets a line `SEEN HIT`, then one `CALL PATH` for each call that was hit and one `lost PATH` for each file that
// a `cut` took from. The exit status is the command's; 128 + N for a signal N; 125 if this could not be done here.
//
// A seccomp filter hands the calls to this process (seccomp_unotify(2)). An LD_PRELOAD shim would miss some:
// rustix makes its system calls without libc.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

// Which arguments say what a call concerns: an open file; or a folder and a path below it, perhaps twice.
struct call {
  const char *name;
  int number;
  int file, folder, path, folder2, path2;
};
#define NONE (-1)
#define CWD (-2)
#define ON_FILE(name, at) {#name, SYS_##name, at, NONE, NONE, NONE, NONE}
#define ON_PATH(name, folder, path) {#name, SYS_##name, NONE, folder, path, NONE, NONE}
#define ON_TWO(name, folder, path, folder2, path2) {#name, SYS_##name, NONE, folder, path, folder2, path2}

static const struct call calls[] = {
    ON_FILE(read, 0), ON_FILE(pread64, 0), ON_FILE(write, 0), ON_FILE(pwrite64, 0), ON_FILE(writev, 0),
    ON_FILE(copy_file_range, 2), ON_FILE(sendfile, 0), ON_FILE(fsync, 0), ON_FILE(fdatasync, 0), ON_FILE(syncfs, 0),
    ON_FILE(ftruncate, 0), ON_FILE(fallocate, 0), ON_FILE(fchmod, 0), ON_FILE(fchown, 0), ON_FILE(flock, 0),
    ON_FILE(lseek, 0), ON_FILE(getdents64, 0), ON_FILE(flistxattr, 0), ON_FILE(fsetxattr, 0), ON_FILE(fstat, 0),
    ON_PATH(openat, 0, 1), ON_PATH(openat2, 0, 1), ON_PATH(unlinkat, 0, 1), ON_PATH(mkdirat, 0, 1),
    ON_PATH(fchmodat, 0, 1), ON_PATH(fchownat, 0, 1), ON_PATH(utimensat, 0, 1), ON_PATH(newfstatat, 0, 1),
    ON_PATH(statx, 0, 1), ON_PATH(symlinkat, 1, 2), ON_PATH(mknodat, 0, 1),
    ON_TWO(linkat, 0, 1, 2, 3), ON_TWO(renameat, 0, 1, 2, 3), ON_TWO(renameat2, 0, 1, 2, 3),
#ifdef SYS_open // not on newer architectures
    ON_PATH(open, CWD, 0), ON_PATH(unlink, CWD, 0), ON_PATH(rmdir, CWD, 0), ON_PATH(mkdir, CWD, 0),
    ON_PATH(chmod, CWD, 0), ON_PATH(symlink, CWD, 1), ON_TWO(link, CWD, 0, CWD, 1), ON_TWO(rename, CWD, 0, CWD, 1),
#endif
};
#define CALLS (sizeof calls / sizeof *calls)

static void give_up(const char *what) {
  fprintf(stderr, "shim: %s: %s\n", what, strerror(errno));
  exit(125);
}

static int is_listed(const char *name, const char *list) {
  size_t length = strlen(name);
  for (const char *at = list; (at = strstr(at, name)); at += length)
    if ((at == list || at[-1] == ',') && (at[length] == ',' || !at[length])) return 1;
  return 0;
}

static const struct call *call_of(int number) {
  for (size_t i = 0; i < CALLS; i++)
    if (calls[i].number == number) return &calls[i];
  return NULL;
}

// Hands the listed calls of this process, and of all it becomes, to whoever holds the descriptor returned.
static int install_filter(const char *list) {
  struct sock_filter filter[2 * CALLS + 2];
  size_t length = 0;
  filter[length++] =
      (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < CALLS; i++) {
    if (!is_listed(calls[i].name, list)) continue;
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  }
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {.len = length, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) give_up("prctl");
  int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) give_up("seccomp");
  return listener;
}

// A descriptor through a socket, in either direction.
static int pass(int socket, int descriptor) {
  char byte = 0, control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec iov = {&byte, 1};
  struct msghdr message = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (descriptor < 0) {
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0 || !CMSG_FIRSTHDR(&message)) exit(125);
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
  }
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  if (sendmsg(socket, &message, 0) < 0) give_up("sendmsg");
  return descriptor;
}

static void link_of(int pid, const char *kind, int descriptor, char *path) {
  char link[64];
  if (descriptor < 0) snprintf(link, sizeof link, "/proc/%d/%s", pid, kind);
  else snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, descriptor);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length < 0 ? 0 : length] = 0;
}

// The path a call names: read from the caller's memory, below its folder or working directory.
static void path_of(int pid, const uint64_t *args, int folder, int at, char *path) {
  char name[PATH_MAX] = "";
  if (args[at]) {
    // Piece by piece: the page after the one with the name may not be there.
    for (size_t length = 0; length < sizeof name - 1; length++) {
      struct iovec here = {name + length, 1}, there = {(void *)(args[at] + length), 1};
      if (process_vm_readv(pid, &here, 1, &there, 1, 0) != 1 || !name[length]) {
        name[length] = 0;
        break;
      }
    }
  }
  if (name[0] == '/') {
    strcpy(path, name);
    return;
  }
  int descriptor = folder == CWD ? AT_FDCWD : (int)args[folder];
  link_of(pid, "cwd", descriptor == AT_FDCWD ? -1 : descriptor, path);
  size_t length = strlen(path);
  if (name[0]) snprintf(path + length, PATH_MAX - length, "/%s", name);
}

// Whether the caller is a thread of the command, not a program it has started.
static int is_own(int child, int thread) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task/%d", child, thread);
  return !access(path, F_OK);
}

static int concerns(const struct seccomp_notif *call, const struct call *what, const char *root, char *path) {
  const uint64_t *args = (const uint64_t *)call->data.args;
  int pid = call->pid;
  if (what->file != NONE) link_of(pid, "fd", (int)args[what->file], path);
  else path_of(pid, args, what->folder, what->path, path);
  if (!strncmp(path, root, strlen(root))) return 1;
  if (what->path2 == NONE) return 0;
  path_of(pid, args, what->folder2, what->path2, path);
  return !strncmp(path, root, strlen(root));
}

// Does half of a read or a write on behalf of the caller; 0 if that cannot be done or there is nothing to halve.
static int64_t half(int leader, const struct seccomp_notif *call) {
  int number = call->data.nr;
  const uint64_t *args = (const uint64_t *)call->data.args;
  size_t length = (args[2] + 1) / 2;
  if (args[2] < 2 || length > 1 << 20) return 0;
  int process = syscall(SYS_pidfd_open, leader, 0);
  int file = syscall(SYS_pidfd_getfd, process, (int)args[0], 0);
  char *bytes = malloc(length);
  struct iovec here = {bytes, length}, there = {(void *)args[1], length};
  int64_t count = 0;
  if (file >= 0 && bytes) {
    if (number == SYS_read || number == SYS_pread64) {
      count = number == SYS_read ? read(file, bytes, length) : pread(file, bytes, length, args[3]);
      here.iov_len = there.iov_len = count > 0 ? count : 0;
      if (count > 0 && process_vm_writev(call->pid, &here, 1, &there, 1, 0) != count) count = 0;
    } else if (process_vm_readv(call->pid, &here, 1, &there, 1, 0) == (ssize_t)length) {
      count = number == SYS_write ? write(file, bytes, length) : pwrite(file, bytes, length, args[3]);
    }
  }
  free(bytes);
  if (file >= 0) close(file);
  if (process >= 0) close(process);
  return count > 0 ? count : 0;
}

// A file that was written to: a name for it that outlives the command, and how much of it is on the disk for certain.
struct written {
  struct stat found;
  int file;
};
static struct written *written;
static size_t written_count;

static struct written *written_as(const struct stat *found) {
  for (size_t i = 0; i < written_count; i++)
    if (written[i].found.st_ino == found->st_ino && written[i].found.st_dev == found->st_dev) return &written[i];
  return NULL;
}

// Keeps account of a call that is about to happen. What a file held before the run counts as synced.
static void account(int pid, int descriptor, const char *name) {
  char link[64];
  struct stat found;
  snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, descriptor);
  if (stat(link, &found)) return;
  struct written *known = written_as(&found);
  if (!strcmp(name, "syncfs")) {
    for (size_t i = 0; i < written_count; i++) fstat(written[i].file, &written[i].found);
  } else if (!strcmp(name, "fsync") || !strcmp(name, "fdatasync")) {
    if (known) known->found = found;
  } else if (!known && S_ISREG(found.st_mode)) {
    written = realloc(written, (written_count + 1) * sizeof *written);
    int file = open(link, O_PATH | O_CLOEXEC);
    if (!written || file < 0) give_up("keeping account");
    written[written_count++] = (struct written){found, file};
  }
}

// The names of files are a journal's business, which keeps their order; their bytes are on the disk once they are synced.
static void cut_power(FILE *log) {
  for (size_t i = 0; i < written_count; i++) {
    char link[64], path[PATH_MAX];
    struct stat now;
    off_t synced = written[i].found.st_size;
    if (fstat(written[i].file, &now) || now.st_size <= synced) continue;
    link_of(getpid(), "fd", written[i].file, path);
    snprintf(link, sizeof link, "/proc/self/fd/%d", written[i].file);
    if (truncate(link, synced)) give_up(path);
    fprintf(log, "lost %s\n", path);
  }
}

struct fault {
  const char *root, *kind, *report;
  long nth, seen, hit;
  FILE *log;
};

static void hold(const struct fault *fault) {
  char held[PATH_MAX];
  snprintf(held, sizeof held, "%s.held", fault->report);
  int file = open(held, O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
  while (!access(held, F_OK)) usleep(500);
}

static void answer(int listener, int child, struct fault *fault) {
  struct seccomp_notif call;
  memset(&call, 0, sizeof call);
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call)) return;
  struct seccomp_notif_resp reply = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  const struct call *what = call_of(call.data.nr);
  char path[PATH_MAX];
  int counts = what && is_own(child, call.pid) && concerns(&call, what, fault->root, path);
  int is_cut = !strcmp(fault->kind, "cut");
  if (counts && (++fault->seen == fault->nth || !fault->nth)) {
    int is_short = !strcmp(fault->kind, "short"), is_kill = is_cut || !strcmp(fault->kind, "kill");
    int64_t count = is_short ? half(child, &call) : 0;
    if (count || !is_short) {
      fault->hit++;
      fprintf(fault->log, "%s %s\n", what->name, path);
    }
    if (is_kill) {
      // Without an answer the call never happens.
      kill(child, SIGKILL);
      return;
    }
    if (!strcmp(fault->kind, "hold")) hold(fault);
    else if (count) reply = (struct seccomp_notif_resp){.id = call.id, .val = count};
    else if (!is_short) reply = (struct seccomp_notif_resp){.id = call.id, .error = -atoi(fault->kind)};
  }
  if (counts && is_cut && what->file != NONE) account(call.pid, (int)call.data.args[what->file], what->name);
  // Fails only if the caller is gone.
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

int main(int argc, char **argv) {
  if (argc < 8 || strcmp(argv[6], "--")) {
    fprintf(stderr, "usage: shim REPORT ROOT CALLS FAULT NTH -- COMMAND [ARG...]\n");
    return 125;
  }
  int sockets[2], status;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) give_up("socketpair");
  pid_t child = fork();
  if (child < 0) give_up("fork");
  if (!child) {
    pass(sockets[1], install_filter(argv[3]));
    execvp(argv[7], argv + 7);
    give_up(argv[7]);
  }
  close(sockets[1]);
  int listener = pass(sockets[0], -1);
  struct fault fault = {.root = argv[2], .kind = argv[4], .report = argv[1], .nth = atol(argv[5]), .log = tmpfile()};
  if (!fault.log) give_up("tmpfile");
  struct pollfd poll_listener = {.fd = listener, .events = POLLIN};
  while (poll(&poll_listener, 1, -1) > 0 && poll_listener.revents & POLLIN) answer(listener, child, &fault);
  if (waitpid(child, &status, 0) < 0) give_up("waitpid");
  if (!strcmp(fault.kind, "cut")) cut_power(fault.log);
  FILE *report = fopen(fault.report, "w");
  if (!report) give_up(fault.report);
  fprintf(report, "%ld %ld\n", fault.seen, fault.hit);
  rewind(fault.log);
  for (int byte; (byte = fgetc(fault.log)) != EOF;) fputc(byte, report);
  fclose(report);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
