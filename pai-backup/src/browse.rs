//! `browse`: what the archives hold, as pages on 127.0.0.1.
//!
//! Every page is made here, whole, from the catalogue (`past`): no script runs in the browser and nothing is fetched from
//! elsewhere. Only who knows the address, which holds a random token, gets an answer (`request`).
//!
//! | file | page |
//! | --- | --- |
//! | `html`, `link` | text into markup, escaped by its type; addresses |
//! | `request` | who may ask, what is asked for |
//! | `server` | answers |
//! | `calendar`, `short` | the nights; figures that fit a cell |
//! | `tree` | a folder at a night |
//! | `compare`, `sums` | what differs between two nights, or a night and now; a folder's sums |
//! | `versions` | a file's versions, side by side |
//! | `memory` | summary lines of memory.md beside their days |
//! | `search` | names |
//! | `download` | a file, or a folder as tar.gz |

mod calendar;
mod compare;
mod download;
mod html;
mod link;
mod memory;
pub(crate) mod probe;
mod request;
mod search;
mod server;
mod short;
mod sums;
mod tree;
mod versions;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use pai_common::exit::Exit;
use pai_common::output::Output;

use self::link::Token;
use crate::Context;
use crate::cli::Browse;
use crate::past::catalogue::Catalogue;
use crate::past::nights::Place;

/// So many requests are answered at once.
const THREADS: usize = 4;

/// What all pages are made from.
struct Site<'a> {
    run: &'a Context<'a>,
    place: Place,
    token: Token,
    catalogue: Mutex<Arc<Catalogue>>,
}

impl Site<'_> {
    /// What is known of the archives.
    fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.catalogue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, after a look for archives that are new or gone.
    fn renewed(&self) -> Arc<Catalogue> {
        if let Ok(fresh) = Catalogue::load(&self.place, self.run) {
            *self.catalogue.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        }
        self.catalogue()
    }
}

/// Runs `browse`, until a signal ends it.
pub(crate) fn run(args: &Browse, run: &Context<'_>) -> anyhow::Result<Exit> {
    let place = Place::of(run)?;
    let catalogue = Mutex::new(Arc::new(Catalogue::load(&place, run)?));
    let site = Site { run, place, token: Token::random()?, catalogue };
    let server = tiny_http::Server::http(("127.0.0.1", args.port))
        .map_err(|error| anyhow!("could not listen on 127.0.0.1 port {}: {error}", args.port))?;
    let port = server.server_addr().to_ip().map_or(args.port, |address| address.port());
    let mut out = Output::stdout(false);
    out.line(format!("http://127.0.0.1:{port}{}/", site.token.base()).as_bytes())?;
    out.flush()?;
    run.console.note("open this address in a browser on this machine; Ctrl-C ends it");
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| server::answer_all(&server, &site, port));
        }
    });
    Ok(Exit::Done)
}
