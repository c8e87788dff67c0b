//! Man pages and shell completions of the tools, from their own command lines, and man pages of the scripts in
//! `FOLDER/bin`, from their `--help`: `pai-docs FOLDER` writes them below FOLDER as they are installed below a prefix.
//! Not a tool of its own: `scripts/install.sh` runs it.

mod scripts;
mod synopsis;
mod zsh;

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

/// When the pages last changed in more than words: the same for every build of a version.
const DATE: &str = "2026-11-28";

/// Widest line of a page's source.
const WIDTH: usize = 80;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("Usage: pai-docs FOLDER")?;
    let folder = Path::new(&folder);
    let share = folder.join("share");
    for tool in [
        pai_backup::cli::Args::command(),
        pai_checksum::cli::Args::command(),
        pai_optimize::cli::Args::command(),
        pai_rotate::cli::Args::command(),
    ] {
        write(tool.clone(), &share)
            .with_context(|| format!("could not write the pages of {}", tool.get_name()))?;
    }
    for (name, page) in scripts::pages(folder)? {
        fs::write(share.join("man/man1").join(name), page)?;
    }
    Ok(())
}

fn write(tool: Command, share: &Path) -> anyhow::Result<()> {
    let name = tool.get_name().to_owned();
    let made = |path: &str| {
        let folder = share.join(path);
        fs::create_dir_all(&folder).map(|()| folder)
    };
    let zsh = generate_to(Shell::Zsh, &mut tool.clone(), &name, made("zsh/site-functions")?)?;
    fs::write(&zsh, zsh::mended(&fs::read_to_string(&zsh)?, &tool))?;
    generate_to(Shell::Fish, &mut tool.clone(), &name, made("fish/vendor_completions.d")?)?;
    // bash-completion loads the file that is named after the command.
    let bash = generate_to(Shell::Bash, &mut tool.clone(), &name, made("bash-completion/completions")?)?;
    // clap_complete takes the hyphen of a tool's name for the border to a command, and then finds no command.
    let script =
        fs::read_to_string(&bash)?.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"));
    fs::write(bash.with_file_name(&name), script)?;
    fs::remove_file(&bash)?;
    // One page for the tool, one for each of its commands.
    let mut tool = tool.disable_help_subcommand(true);
    tool.build();
    let commands = tool.get_subcommands().filter(|command| !command.is_hide_set());
    for command in std::iter::once(&tool).chain(commands) {
        let man = Man::new(command.clone());
        fs::write(made("man/man1")?.join(man.get_filename()), page(command, &man)?)?;
    }
    Ok(())
}

/// The page of a command: what its definition says, and what stands below its help as sections of their own.
fn page(command: &Command, man: &Man) -> io::Result<String> {
    let mut roff = Vec::new();
    man.render_name_section(&mut roff)?;
    roff.extend_from_slice(synopsis::section(command).as_bytes());
    man.render_description_section(&mut roff)?;
    man.render_options_section(&mut roff)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut roff)?;
    }
    let mut page = title(command.get_display_name().unwrap_or_else(|| command.get_name()));
    let mut preamble_seen = false;
    for line in String::from_utf8_lossy(&roff).lines() {
        // Each section repeats the definition of an apostrophe.
        let is_preamble = line.starts_with(".ie ") || line.starts_with(".el ");
        if !is_preamble || !preamble_seen {
            fold(line.trim_end(), &mut page);
        }
        preamble_seen |= line.starts_with(".el ");
    }
    let after = command.get_after_long_help().or_else(|| command.get_after_help());
    page.push_str(&sections(&after.map(ToString::to_string).unwrap_or_default()));
    // What clap_mangen puts around a list of values is three ways to say one thing.
    Ok(page.replace(".br\n\n.br\n", ".sp\n").replace("\n\n", "\n.sp\n"))
}

/// The first line of a page's source.
fn title(name: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {} 1 {DATE} \"pai-tools {version}\"\n", name.to_uppercase())
}

/// A line of running text over several, for troff fills them again.
fn fold(line: &str, page: &mut String) {
    let is_request = line.starts_with('.');
    let mut width = 0;
    for word in line.split(' ') {
        let breaks =
            width > 0 && width + 1 + word.len() > WIDTH && !is_request && !word.starts_with(['.', '\'']);
        if width > 0 {
            page.push(if breaks { '\n' } else { ' ' });
        }
        width = if breaks { word.len() } else { width + usize::from(width > 0) + word.len() };
        page.push_str(word);
    }
    page.push('\n');
}

/// `Heading:` lines and what is indented below them, as sections that are shown line by line.
fn sections(help: &str) -> String {
    let mut page = String::new();
    let mut open = false;
    for line in help.lines() {
        match line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
            Some(heading) => {
                page.push_str(if open { ".fi\n" } else { "" });
                page.extend([".SH ", &heading.to_uppercase(), "\n.nf\n"]);
                open = true;
            }
            None if line.is_empty() => {}
            None => {
                page.push_str(&escaped(line.strip_prefix("  ").unwrap_or(line)));
                page.push('\n');
            }
        }
    }
    page.push_str(if open { ".fi\n" } else { "" });
    page
}

/// Text as troff shows it as it stands.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}
