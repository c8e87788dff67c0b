//! A yardstick for the first archive: how long the compressor alone takes for the payloads of an archive.
//!
//! `deflate_alone ARCHIVE [THREADS [RUNS]]` inflates all data members into memory, deflates them again on all threads, and
//! prints the wall and CPU seconds of the fastest run. Nothing is read, hashed or written meanwhile.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use pai_backup::archive::member::{Opener, Sealer};
use pai_backup::archive::open::Archive;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().context("name an archive")?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.next().map_or(Ok(cores), |threads| threads.parse())?;
    let runs = args.next().map_or(Ok(3), |runs| runs.parse())?;
    let archive = Archive::open(Path::new(&path))?;
    let level = archive.index().map_err(|why| anyhow!("{path}: {why}"))?.about().level;
    let payloads = payloads(&archive)?;
    let mut fastest = (Duration::MAX, 0.0);
    for _ in 0..runs {
        let (began, before) = (Instant::now(), cpu_seconds()?);
        deflate(&payloads, level, threads);
        fastest =
            if began.elapsed() < fastest.0 { (began.elapsed(), cpu_seconds()? - before) } else { fastest };
    }
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    writeln!(
        std::io::stdout(),
        "{bytes} bytes in {} members, {threads} threads: {:.2} s, CPU {:.2} s",
        payloads.len(),
        fastest.0.as_secs_f64(),
        fastest.1
    )?;
    Ok(())
}

fn payloads(archive: &Archive) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut opener = Opener::default();
    let mut payloads = Vec::new();
    for place in archive.index().map_err(Clone::clone)?.members()? {
        let mut offset = place.offset;
        for info in place.members {
            payloads.push(opener.open(&archive.file().member(offset, &info)?)?.0);
            offset += u64::from(info.size);
        }
    }
    Ok(payloads)
}

fn deflate(payloads: &[Vec<u8>], level: u8, threads: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut sealer = Sealer::new(level);
                while let Some(payload) = payloads.get(next.fetch_add(1, Ordering::Relaxed)) {
                    std::hint::black_box(sealer.deflate_here(payload));
                }
            });
        }
    });
}

/// CPU seconds this process has taken, all threads: fields 14 and 15 of its stat, in ticks of 10 ms.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}
