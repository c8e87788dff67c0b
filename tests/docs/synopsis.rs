//! The synopsis of a page: what `clap_mangen` leaves out is what an option takes, and what may be repeated.

use clap::builder::ValueRange;
use clap::{Arg, ArgAction, Command};

use crate::escaped;

/// The section, one line.
pub(crate) fn section(command: &Command) -> String {
    let name =
        command.get_bin_name().or_else(|| command.get_display_name()).unwrap_or_else(|| command.get_name());
    let mut words = vec![bold(name)];
    let shown = |arg: &&Arg| !arg.is_hide_set();
    words.extend(command.get_opts().chain(flags(command)).filter(shown).map(option));
    words.extend(command.get_positionals().filter(shown).map(positional));
    if command.has_subcommands() {
        words.push(format!("[{}]", italic("COMMAND")));
    }
    format!(".SH SYNOPSIS\n{}\n", words.join(" "))
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional() && !takes_value(arg))
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// `[-e|--exclude GLOB]...`
fn option(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| bold(&format!("-{short}")));
    let long = arg.get_long().map(|long| bold(&format!("--{long}")));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let value = if takes_value(arg) { format!(" {}", values(arg)) } else { String::new() };
    let word = format!("{}{value}", names.join("|"));
    let word = if arg.is_required_set() { word } else { format!("[{word}]") };
    word + repeated(arg)
}

/// `[PATH]...`
fn positional(arg: &Arg) -> String {
    let value = if arg.is_last_set() { format!("{} {}", bold("--"), values(arg)) } else { values(arg) };
    let word = if arg.is_required_set() { value } else { format!("[{value}]") };
    word + repeated(arg)
}

fn values(arg: &Arg) -> String {
    let id = arg.get_id().as_str().to_uppercase();
    let names: Vec<String> = match arg.get_value_names() {
        Some(names) => names.iter().map(|name| italic(name)).collect(),
        None => vec![italic(&id)],
    };
    names.join(" ")
}

/// Three dots, which end no sentence.
fn repeated(arg: &Arg) -> &'static str {
    let takes_many = arg.get_num_args().is_some_and(|range: ValueRange| range.max_values() > 1);
    if matches!(arg.get_action(), ArgAction::Append) || takes_many { "...\\&" } else { "" }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}
