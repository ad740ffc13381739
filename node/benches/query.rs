//! Queries of LeNet's shapes with random weights: three nodes and a coordinator as processes on loopback, a client in this one.
//! `cargo bench -p tercet-node --bench query [-- QUERIES]`.

mod deployment;

use std::time::{Duration, Instant};

use deployment::Deployment;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tercet_client::Answer;
use tercet_ids::Role;
use tercet_plan::testkit::{lenet, random_parameters};
use tercet_plan::{Array, Plan};
use tercet_ring::RingKind;

fn main() {
    if deployment::served() {
        return;
    }
    let queries = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(200);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(queries));
}

async fn measure(queries: usize) {
    let deployment = Deployment::start("");
    let client = deployment.client().await;
    for (ring, batch) in [(RingKind::Z32, 1), (RingKind::Z64, 1), (RingKind::Z32, 32)] {
        let plan = lenet(ring);
        let parameters = random_parameters(&plan, 4, &mut StdRng::seed_from_u64(1));
        client.deploy("lenet", &plan, &parameters).await.expect("deployed");
        let model = client.describe("lenet").await.expect("described");
        let image = Array::new(vec![batch, 1, 28, 28], vec![0.5; batch * 784]).expect("an image");
        let queries = if batch == 1 { queries } else { queries / 10 };
        let mut answers = vec![];
        for _ in 0..queries + 10 {
            let begun = Instant::now();
            let answer = client
                .infer(&model, std::slice::from_ref(&image), Duration::from_secs(20))
                .await;
            answers.push((begun.elapsed(), answer.expect("answered")));
        }
        print(&plan, batch, &answers[10..]);
    }
}

/// Medians, in milliseconds.
fn print(plan: &Plan, batch: usize, answers: &[(Duration, Answer)]) {
    let median = |of: &dyn Fn(&(Duration, Answer)) -> Duration| {
        let mut times: Vec<Duration> = answers.iter().map(of).collect();
        times.sort();
        format!("{:.2}", times[times.len() / 2].as_secs_f64() * 1e3)
    };
    let evaluators = [Role::Evaluator0, Role::Evaluator1];
    let party = |answer: &Answer, role| *answer.report.party(answer.roles.party(role));
    let largest = |of: fn(&tercet_wire::PartyReport) -> Duration| {
        median(&|(_, answer)| {
            let times = evaluators.map(|role| of(&party(answer, role)));
            times[0].max(times[1])
        })
    };
    println!(
        "{} batch {batch}: client {} ms (coordinator {}, queue {}); parties: start {}, run {}; online {} \
         (compute {}, wait {}, for the dealer {}), prepare {}, dealer {}; {} rounds; slowest client {:.2}",
        plan.ring(),
        median(&|(total, _)| *total),
        median(&|(_, answer)| answer.report.total),
        median(&|(_, answer)| answer.report.queue),
        median(&|(_, answer)| answer
            .report
            .parties
            .map(|party| party.start)
            .into_iter()
            .max()
            .unwrap_or_default()),
        median(&|(_, answer)| answer
            .report
            .parties
            .map(|party| party.run)
            .into_iter()
            .max()
            .unwrap_or_default()),
        median(&|(_, answer)| answer.report.online(answer.roles)),
        largest(|report| report.online_compute),
        largest(|report| report.online_wait),
        largest(|report| report.deal),
        largest(|report| report.prepare),
        median(&|(_, answer)| party(answer, Role::Dealer).run),
        answers[0].1.report.parties[answers[0].1.roles.party(Role::Evaluator0).index()].rounds,
        answers
            .iter()
            .map(|(total, _)| total.as_secs_f64() * 1e3)
            .fold(0.0, f64::max),
    );
}
