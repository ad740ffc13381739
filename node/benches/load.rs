//! Throughput and waits of LeNet's shapes with random weights, under 1, 8 and 64 queries at a time: three nodes and a coordinator as
//! processes on loopback, a client in this one. `cargo bench -p tercet-node --bench load [-- SECONDS [SESSIONS...]]`; SESSIONS are values
//! of the coordinator's `limits.sessions` to compare.

mod deployment;

use std::rc::Rc;
use std::time::{Duration, Instant};

use deployment::Deployment;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_client::{Client, Description};
use tercet_plan::Array;
use tercet_plan::testkit::{lenet, random_parameters};
use tercet_ring::RingKind;
use tokio::task::LocalSet;

/// Queries at a time.
const CONCURRENCIES: [usize; 3] = [1, 8, 64];

/// Time for which nothing is measured yet.
const WARM_UP: Duration = Duration::from_secs(1);

fn main() {
    if deployment::served() {
        return;
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let seconds = numbers.next().unwrap_or(5);
    let sessions: Vec<u64> = numbers.collect();
    let settings: Vec<String> = match sessions[..] {
        [] => vec![String::new()],
        _ => sessions
            .iter()
            .map(|sessions| format!("[limits]\nsessions = {sessions}\n"))
            .collect(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for settings in settings {
        println!("{}", settings.replace('\n', " "));
        LocalSet::new().block_on(&runtime, measure(&settings, Duration::from_secs(seconds)));
    }
}

async fn measure(settings: &str, time: Duration) {
    let deployment = Deployment::start(settings);
    let client = Rc::new(deployment.client().await);
    let plan = lenet(RingKind::Z32);
    let parameters = random_parameters(&plan, 4, &mut StdRng::seed_from_u64(1));
    client.deploy("lenet", &plan, &parameters).await.expect("deployed");
    let model = Rc::new(client.describe("lenet").await.expect("described"));
    for concurrency in CONCURRENCIES {
        load(&client, &model, concurrency, WARM_UP).await;
        let before = (cpu(&deployment), cpu_time(std::process::id()));
        let begun = Instant::now();
        let mut waits = load(&client, &model, concurrency, time).await;
        let took = begun.elapsed();
        waits.sort();
        let at = |percent: usize| waits[(waits.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        let each = |used: Duration| used.as_secs_f64() * 1e3 / waits.len() as f64;
        let after = cpu(&deployment);
        let used: Vec<String> = (0..4)
            .map(|index| format!("{:.2}", each(after[index] - before.0[index])))
            .collect();
        println!(
            "{concurrency:3} at a time: {:6.1} a second; p50 {:.1} ms, p99 {:.1}, max {:.1}; CPU ms a query: parties {}, coordinator {}, \
             client {:.2}",
            waits.len() as f64 / took.as_secs_f64(),
            at(50),
            at(99),
            at(100),
            used[..3].join(" "),
            used[3],
            each(cpu_time(std::process::id()) - before.1),
        );
    }
}

/// Asks `concurrency` queries at a time for `time`, and gives how long each took.
async fn load(client: &Rc<Client>, model: &Rc<Description>, concurrency: usize, time: Duration) -> Vec<Duration> {
    let until = Instant::now() + time;
    let ask = |_| {
        let (client, model) = (client.clone(), model.clone());
        tokio::task::spawn_local(async move {
            let image = Array::new(vec![1, 1, 28, 28], vec![0.5; 784]).expect("an image");
            let mut waits = vec![];
            while Instant::now() < until {
                let begun = Instant::now();
                let answer = client
                    .infer(&model, std::slice::from_ref(&image), Duration::from_secs(20))
                    .await;
                answer.expect("answered");
                waits.push(begun.elapsed());
            }
            waits
        })
    };
    let clients: Vec<_> = (0..concurrency).map(ask).collect();
    let mut waits = vec![];
    for client in clients {
        waits.extend(client.await.expect("no client panics"));
    }
    waits
}

/// User and system time of the three nodes and the coordinator so far.
fn cpu(deployment: &Deployment) -> Vec<Duration> {
    let processes = deployment.processes.iter();
    processes.map(|process| cpu_time(process.id())).collect()
}

/// User and system time of a process so far, from Linux' /proc in hundredths of a second.
fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux, and the process runs");
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in brackets");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(10 * ticks)
}
