//! The summary lines of memory.md beside the days that they sum up.

use std::path::{Component, Path, PathBuf};

use super::Site;
use super::html::Html;
use super::link::Link;
use super::server::Answer;
use crate::past::texts::Texts;

/// Longest day that is shown whole.
const SHOWN: usize = 4000;

/// A line, and the archived day it links to.
struct Summary {
    line: String,
    days: Vec<PathBuf>,
}

/// The page; `None` if the archive has no memory.md.
pub(super) fn page(site: &Site<'_>, night: &str, memory: &Path) -> anyhow::Result<Option<Answer>> {
    let catalogue = site.catalogue();
    let Some(number) = catalogue.night_of(night) else { return Ok(None) };
    let Some(thing) = catalogue.file_at(number, memory) else { return Ok(None) };
    let mut texts = Texts::new(&site.place, site.run);
    let Ok(text) = texts.read(night, memory, thing)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut html = Html::page(&site.token, "Memory");
    html.raw("<h1>Memory</h1>");
    super::tree::crumbs(&mut html, night, Path::new(""));
    html.raw("<p class=actions>").link(&Link::Text(night, memory), "memory.md").raw("</p>");
    let mut any = false;
    html.raw("<dl class=memory>");
    for summary in summaries(&text) {
        any = true;
        html.raw("<dt>").text(&summary.line).raw("</dt>");
        for day in summary.days {
            html.raw("<dd>").link(&Link::Text(night, &day), day.display());
            let content = match catalogue.file_at(number, &day) {
                Some(thing) => texts.read(night, &day, thing)?.ok(),
                None => None,
            };
            match content {
                Some(content) => {
                    let cut = content.len().min(SHOWN);
                    html.raw("<pre class=text>\n").text(String::from_utf8_lossy(&content[..cut]));
                    html.raw(if cut < content.len() { "\u{22ef}</pre>" } else { "</pre>" });
                }
                None => {
                    html.raw(" <strong class=warn>not in this archive</strong>");
                }
            }
            html.raw("</dd>");
        }
    }
    html.raw("</dl>");
    if !any {
        html.raw("<p>No summary line of it links to an archived day.</p>");
    }
    Ok(Some(Answer::page(html)))
}

/// The list items that link to files below `archive/`.
fn summaries(text: &str) -> impl Iterator<Item = Summary> + '_ {
    text.lines().filter_map(|line| {
        let item = line.strip_prefix("- ")?;
        let targets = item.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let days: Vec<PathBuf> = targets.map(PathBuf::from).filter(|target| is_archived(target)).collect();
        let line = item.split(" ([").next().unwrap_or(item).to_owned();
        (!days.is_empty()).then_some(Summary { line, days })
    })
}

fn is_archived(target: &Path) -> bool {
    target.starts_with("archive") && target.components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_lines_lead_to_their_days() {
        let text = "# M\n- 2025-09-08: Harbour. ([archive](archive/memory/memory-2025-09-08.md))\n\
                    - no link\n- 2025-08: Two. ([2025-08-01](archive/memory/a.md), [2025-08-02](archive/memory/b.md))\n\
                    - out ([x](archive/../../etc/passwd)) ([y](https://example.org/))\n";
        let found: Vec<(String, usize)> =
            summaries(text).map(|summary| (summary.line, summary.days.len())).collect();
        assert_eq!(found, [("2025-09-08: Harbour.".to_owned(), 1), ("2025-08: Two.".to_owned(), 2)]);
    }
}
