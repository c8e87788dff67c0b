//! What two or more of the tools need, and nothing else.
//!
//! | room | what lives there |
//! | --- | --- |
//! | [`cli`], [`exit`], [`hint`], [`console`], [`signal`] | how a tool starts, speaks and ends |
//! | [`output`], [`progress`] | stdout for the next tool, stderr for the person watching |
//! | [`clock`], [`stamp`], [`units`] | instants, the stamps in file names, sizes and durations |
//! | [`home`], [`joblog`] | the workspace and its two documented log formats |
//! | [`atomic`], [`lock`] | files that appear whole or not at all; one job per folder |
//! | [`walk`] | an ordered tree walk with excludes |
//! | [`retention`] | which items a policy keeps, and why: pure |
//! | [`sha256`], [`checksum_line`] | SHA-256 of one stream and of many at once; `sha256sum`'s lines |

pub mod atomic;
pub mod checksum_line;
pub mod checksum_list;
pub mod cli;
pub mod clock;
pub mod console;
pub mod exit;
pub mod hint;
pub mod home;
pub mod joblog;
pub mod lock;
pub mod output;
pub mod progress;
pub mod retention;
pub mod sha256;
pub mod signal;
pub mod stamp;
pub mod units;
pub mod walk;
