//! A page opened in real Chromium without a screen, as wide as a phone.

use std::path::Path;

use crate::{command, has, run, scratch, skip};

/// What the browser made of a page.
#[derive(Debug)]
pub struct Page {
    /// The width it was given, in CSS pixels.
    pub width: u32,
    /// The width its content needs: wider than `width` means scrolling sideways.
    pub needed: u32,
    /// Whatever was written to the console, and every request that failed.
    pub console: Vec<String>,
}

/// Asks the page, from inside, how wide it is; a frame's width is not bound to the least width of a window.
const MEASURE: &str =
    "<script>parent.postMessage(innerWidth + ' ' + document.documentElement.scrollWidth, '*')</script>";

/// Opens `html` with `width`; skips without a browser.
pub fn open(html: &str, width: u32) -> Option<Page> {
    if !has("chromium") {
        skip("no chromium (package chromium)");
        return None;
    }
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    let inner = match html.rfind("</body>") {
        Some(end) => format!("{}{MEASURE}{}", &html[..end], &html[end..]),
        None => format!("{html}{MEASURE}"),
    };
    std::fs::write(at("page.html"), inner).expect("the page is written");
    let outer = format!(
        "<!DOCTYPE html><link rel=icon href=data:,><script>onmessage = e => document.title = 'measured ' + e.data</script>\
         <iframe src=page.html width={width} height=900 style='border:0'></iframe>"
    );
    std::fs::write(at("frame.html"), outer).expect("the frame is written");
    let outcome =
        run(command("chromium").args(flags(&at("profile"))).arg("--dump-dom").arg(at("frame.html")));
    let title = outcome.stdout.split("<title>measured ").nth(1).and_then(|rest| rest.split('<').next());
    let Some((width, needed)) = title.and_then(|text| text.split_once(' ')) else {
        panic!("chromium did not show the page:\n{}\n{}", outcome.stdout, outcome.stderr)
    };
    let console = outcome.stderr.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    Some(Page { width: width.parse().expect("a width"), needed: needed.parse().expect("a width"), console })
}

/// No network, no traces of earlier runs; root may not use the sandbox.
fn flags(profile: &Path) -> Vec<String> {
    let mut flags: Vec<String> = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
        "--virtual-time-budget=5000",
        "--window-size=1000,1000",
    ]
    .map(str::to_owned)
    .into();
    flags.push(format!("--user-data-dir={}", profile.display()));
    flags
}
