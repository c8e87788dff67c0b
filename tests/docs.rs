//! Man pages and shell completions of the tools, from their own command lines: `pai-docs FOLDER` writes them
//! below FOLDER as they are installed below a prefix. Not a tool of its own: `scripts/install.sh` runs it.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("Usage: pai-docs FOLDER")?;
    let share = Path::new(&folder).join("share");
    for tool in [
        pai_backup::cli::Args::command(),
        pai_checksum::cli::Args::command(),
        pai_optimize::cli::Args::command(),
        pai_rotate::cli::Args::command(),
    ] {
        write(&tool, &share).with_context(|| format!("could not write the pages of {}", tool.get_name()))?;
    }
    Ok(())
}

fn write(tool: &Command, share: &Path) -> anyhow::Result<()> {
    let name = tool.get_name().to_owned();
    let made = |path: &str| {
        let folder = share.join(path);
        fs::create_dir_all(&folder).map(|()| folder)
    };
    // One page for the tool, one for each of its commands.
    clap_mangen::generate_to(tool.clone(), made("man/man1")?)?;
    generate_to(Shell::Zsh, &mut tool.clone(), &name, made("zsh/site-functions")?)?;
    generate_to(Shell::Fish, &mut tool.clone(), &name, made("fish/vendor_completions.d")?)?;
    // bash-completion loads the file that is named after the command.
    let bash = generate_to(Shell::Bash, &mut tool.clone(), &name, made("bash-completion/completions")?)?;
    fs::rename(&bash, bash.with_file_name(&name))?;
    Ok(())
}
