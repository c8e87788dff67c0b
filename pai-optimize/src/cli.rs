//! The command line.

use clap::Parser;
use pai_common::cli::Common;

/// TODO one line
#[derive(Debug, Parser)]
#[command(name = "pai-optimize", version)]
pub struct Args {
    /// What all tools share
    #[command(flatten)]
    pub common: Common,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold() {
        super::Args::command().debug_assert();
    }
}
