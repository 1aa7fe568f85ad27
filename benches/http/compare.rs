//! Large bodies and slow clients, with Squall's server and with hyper's, in turn.
//!
//! ```text
//! squall-http-bench [--quick]            compare; --quick with small bodies and one round
//! squall-http-bench serve squall|hyper PORT FOLDER
//! ```
//!
//! | route | what it does |
//! |---|---|
//! | `GET /` | thirteen bytes |
//! | `POST /up` | reads the body as it comes, and says how long it was |
//! | `GET /down?bytes=N` | sends so many bytes, piece by piece |
//! | `GET /files/large` | sends a file |
//!
//! Each server runs in a process of its own. What is counted is that process's: its CPU time over all
//! threads, and the most memory that it has had.

mod by_hyper;
mod by_squall;
mod load;
mod server;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use server::Server;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How much a piece of a body is, with both servers.
const PIECE: usize = 64 * 1024;

/// The server that the other is compared with.
const REFERENCE: &str = "hyper";

const SERVERS: [&str; 2] = [REFERENCE, "squall"];

/// How much is asked of the servers.
struct Plan {
    body: u64,
    rounds: usize,
    requests: usize,
    slow_clients: usize,
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["serve", "squall", port, folder] => by_squall::serve(port.parse()?, Path::new(folder)),
        ["serve", "hyper", port, folder] => by_hyper::serve(port.parse()?, Path::new(folder)),
        [] => compare(&Plan {
            body: 1 << 30,
            rounds: 5,
            requests: 20_000,
            slow_clients: 500,
        }),
        ["--quick"] => compare(&Plan {
            body: 1 << 20,
            rounds: 1,
            requests: 100,
            slow_clients: 20,
        }),
        _ => Err("usage: squall-http-bench [--quick]".into()),
    }
}

fn compare(plan: &Plan) -> Result<()> {
    let folder = load::Folder::new()?;
    folder.write("large", plan.body)?;
    println!(
        "Bodies of {} MiB, {} rounds; medians.\n",
        plan.body >> 20,
        plan.rounds
    );
    println!("| body | server | CPU ms | to hyper | wall ms | most memory, MiB |");
    println!("|---|---|---:|---:|---:|---:|");
    let down = format!("/down?bytes={}", plan.body);
    body("up", plan, &folder, |port| load::upload(port, plan.body))?;
    body("down", plan, &folder, |port| {
        load::download(port, &down, plan.body)
    })?;
    body("file", plan, &folder, |port| {
        load::download(port, "/files/large", plan.body)
    })?;
    println!(
        "\n{} requests, one after the other, alone and beside {} clients that send their heads a byte at a time; medians of {} rounds.\n",
        plan.requests, plan.slow_clients, plan.rounds
    );
    println!("| server | p50 µs | p99 µs | p50 beside | p99 beside | p99 to alone |");
    println!("|---|---:|---:|---:|---:|---:|");
    SERVERS
        .iter()
        .try_for_each(|name| slow(name, plan, &folder))
}

/// One kind of body with both servers, in turn.
fn body(
    what: &str,
    plan: &Plan,
    folder: &load::Folder,
    transfer: impl Fn(u16) -> Result<Duration>,
) -> Result<()> {
    let servers = SERVERS.map(|name| Server::start(name, folder.path()));
    let mut rows = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds {
        for (server, rows) in servers.iter().zip(&mut rows) {
            let server = server.as_ref().map_err(|error| error.to_string())?;
            let before = server.cpu()?;
            let wall = transfer(server.port)?;
            rows.push((server.cpu()? - before, wall));
        }
    }
    let medians = rows.map(|rows| {
        let (cpu, wall): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        (median(cpu), median(wall))
    });
    let reference = medians[0].0;
    for ((name, server), (cpu, wall)) in SERVERS.iter().zip(servers).zip(medians) {
        println!(
            "| {what} | {name} | {:.0} | {:.2} | {:.0} | {:.1} |",
            cpu.as_secs_f64() * 1e3,
            cpu.as_secs_f64() / reference.as_secs_f64(),
            wall.as_secs_f64() * 1e3,
            server?.most_memory()? as f64 / 1024.0,
        );
    }
    Ok(())
}

/// How long requests take, alone and beside clients that are slow with their heads.
fn slow(name: &str, plan: &Plan, folder: &load::Folder) -> Result<()> {
    let server = Server::start(name, folder.path())?;
    load::requests(server.port, plan.requests)?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        alone.push(load::requests(server.port, plan.requests)?);
        let slow = load::SlowClients::start(server.port, plan.slow_clients)?;
        beside.push(load::requests(server.port, plan.requests)?);
        slow.stop()?;
    }
    let quantiles = |rounds: Vec<load::Latencies>| {
        let (p50, p99): (Vec<_>, Vec<_>) = rounds.iter().map(|l| (l.p50, l.p99)).unzip();
        [median(p50), median(p99)].map(|time| time.as_secs_f64() * 1e6)
    };
    let (alone, beside) = (quantiles(alone), quantiles(beside));
    println!(
        "| {name} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} |",
        alone[0],
        alone[1],
        beside[0],
        beside[1],
        beside[1] / alone[1]
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
