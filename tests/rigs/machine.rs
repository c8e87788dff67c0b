//! A private machine: this one's programs in a mount and process namespace, with an /etc, /opt, /backups,
//! /home and crontabs of its own. What a test installs, adds or breaks there never reaches the real one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::postgres::is_root;
use crate::{Outcome, command, run, scratch, skip, wait_until};

/// Builds the private root on /mnt of a fresh mount namespace, then becomes the command inside it.
/// $1 is the folder that lasts from one command to the next.
const ENTER: &str = r#"
set -eu
own=$1
shift
mount --make-rprivate /
mount -t tmpfs -o mode=755 root /mnt
for entry in /*; do
  case "$entry" in
    /mnt | /dev | /proc | /run | /etc | /opt | /home | /backups) continue ;;
  esac
  if [ -L "$entry" ]; then
    cp -a "$entry" "/mnt$entry"
  elif [ -d "$entry" ]; then
    mkdir "/mnt$entry"
    mount --rbind "$entry" "/mnt$entry"
  fi
done
for folder in etc opt home backups run; do
  mkdir "/mnt/$folder"
  mount --bind "$own/$folder" "/mnt/$folder"
done
# A container engine, if this machine has one.
if [ -S /run/docker.sock ]; then
  touch /mnt/run/docker.sock
  mount --bind /run/docker.sock /mnt/run/docker.sock
fi
mkdir /mnt/proc /mnt/dev
mount -t proc proc /mnt/proc 2>/dev/null || mount --rbind /proc /mnt/proc
mount -t tmpfs -o mode=755 dev /mnt/dev
for device in null zero full random urandom tty; do
  touch "/mnt/dev/$device"
  mount --bind "/dev/$device" "/mnt/dev/$device"
done
ln -s /proc/self/fd /mnt/dev/fd
for number in 0:stdin 1:stdout 2:stderr; do
  ln -s "/proc/self/fd/${number%:*}" "/mnt/dev/${number#*:}"
done
mkdir -m 1777 /mnt/dev/shm
ln -s "$own/log.sock" /mnt/dev/log
if [ -d /var/spool/cron/crontabs ]; then
  mount --bind "$own/crontabs" /mnt/var/spool/cron/crontabs
fi
exec chroot /mnt "$@"
"#;

/// A private machine.
pub struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// Sets one up; skips without root or where namespaces are not allowed.
    pub fn new() -> Option<Self> {
        if !is_root() {
            skip("a private machine (mount namespace) needs root");
            return None;
        }
        if run(command("unshare").args(["-m", "-p", "-f", "mount", "-t", "tmpfs", "none", "/mnt"])).status
            != Some(0)
        {
            skip("mount namespaces are not allowed here");
            return None;
        }
        let folder = scratch();
        let own = folder.path();
        for name in ["opt", "home", "backups", "run", "run/lock", "crontabs"] {
            fs::create_dir(own.join(name)).expect("a folder of the private machine");
        }
        // Somebody may be adding a user to the real one.
        wait_until("a copy of /etc", || {
            run(Command::new("cp").args(["-a", "/etc"]).arg(own)).status == Some(0)
        });
        // As Debian installs it; jobs in /etc/cron.d and /etc/crontab of this machine have no place in tests.
        let tidy = "chmod 755 . && chmod 1777 run/lock && chmod 1730 crontabs && (chgrp crontab crontabs || true) \
                    && rm -rf etc/cron.d etc/*.lock && mkdir etc/cron.d && : >etc/crontab && chmod 644 etc/crontab";
        run(Command::new("sh").args(["-c", tidy]).current_dir(own)).expect(0);
        Some(Self { folder })
    }

    /// Where a path of the private machine lies on this one, for paths under /etc, /opt, /home, /backups and
    /// /run.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// The folder that holds the private machine's own folders, crontabs and log socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command that runs there; its processes end with it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = command("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "bash", "-c", ENTER, "enter"]);
        command.arg(self.folder.path()).arg(program).env("PATH", standard_path());
        command
    }

    /// Runs a shell line there as root.
    pub fn sh(&self, line: &str) -> Outcome {
        run(self.command("bash").args(["-c", line]))
    }
}

/// PATH as a login of root has it: cron and crontab are in sbin on some systems.
fn standard_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/local/sbin:/usr/sbin:/sbin")
}
