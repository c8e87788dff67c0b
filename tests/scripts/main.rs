//! End-to-end tests of scripts.

mod backups;
<<<<<<< HEAD
mod install;
mod lint_cron;
mod nights;
=======
mod docker_tasks;
mod dotenv;
mod health;
mod lint_cron;
mod maintenance;
>>>>>>> scripts-ecosystem
mod notify;
mod quickstart;
mod replays;
mod rigs;
mod stack;
mod stack_backup;
mod support;
mod systemd;
