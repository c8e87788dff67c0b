//! zsh's completion script, mended.
//!
//! `clap_complete` puts what a tool takes without a command (`pai-backup PATH...`) before its commands. zsh then takes the
//! command for that PATH, looks for the command in the second word, and offers the tool's own options instead of the
//! command's. Here the first word is a command or a file; behind any other word than a command, what the tool takes
//! without one goes on.

use clap::{ArgAction, Command};

/// Ends the function that completes the tool, with all its commands.
const END: &str = "        esac\n    ;;\nesac\n}\n";

/// `script` as it should be; a tool without such a PATH, or without commands, has nothing to mend.
pub(crate) fn mended(script: &str, tool: &Command) -> String {
    mend(script, tool).unwrap_or_else(|| script.to_owned())
}

fn mend(script: &str, tool: &Command) -> Option<String> {
    let name = tool.get_name();
    let takes_many = matches!(tool.get_positionals().next()?.get_action(), ArgAction::Append);
    let (above, below) = script.split_once(&format!("\":: :_{name}_commands\" \\\n"))?;
    let (above, path) = above.split_at(above.trim_end().rfind('\n')? + 1);
    let options = above[above.rfind("_arguments ")?..].trim_start();
    let more = if takes_many { path.replacen("'::", "'*::", 1) } else { String::new() };
    let below = below.replace("$line[2]", "$line[1]");
    let (commands, rest) = below.split_once(END)?;
    Some(format!(
        "{above}\":: :_{name}_first\" \\\n{commands}(*)\n{options}{more}&& ret=0\n;;\n{END}\n\
         _{name}_first() {{\n    _alternative 'commands:command:_{name}_commands' 'files:file:_files'\n}}\n{rest}"
    ))
}
