//! Names, wherever an archive has them.

use std::path::Path;

use super::Site;
use super::html::Html;
use super::link::Link;
use super::server::Answer;
use crate::past::find::Glob;

/// More are not shown.
const MOST: usize = 1000;

/// The page.
pub(super) fn page(site: &Site<'_>, query: &str) -> Answer {
    let catalogue = site.catalogue();
    let mut html = Html::page(&site.token, format!("Find {query}"));
    html.raw("<h1>").text(query).raw("</h1>");
    // A plain word is looked for anywhere in a name.
    let plain = !query.contains(['*', '?', '[', '/']);
    let glob = Glob::new(&if plain { format!("*{query}*") } else { query.to_owned() });
    let Ok(glob) = glob else {
        html.raw("<p>This is no pattern.</p>");
        return Answer::page(html);
    };
    let mut found: Vec<&Path> =
        catalogue.paths().map(|(_, path)| path).filter(|path| glob.matches(path)).collect();
    found.sort();
    html.raw("<p>").text(found.len()).raw(" found</p><ul>");
    for path in found.into_iter().take(MOST) {
        html.raw("<li>").link(&Link::Versions(path, None), path.display()).raw("</li>");
    }
    html.raw("</ul>");
    Answer::page(html)
}
