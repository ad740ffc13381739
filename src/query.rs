//! Queries of a deployment, measured.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tercet_client::{Answer, Cause, Client, ClientError, ClientSettings, Description, SettingsError};
use tercet_config::ClientConfig;
use tercet_ids::{PartyId, PlanDigest, Role, Roles};
use tercet_plan::{Array, Parameters, Plan};
use tercet_wire::PartyReport;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::batches;
use crate::exit::{ExitCode, Failure};
use crate::report::{OnlineBytes, OutputReport, QueryReport};
use crate::statistics::Spread;

/// A connection to a deployment.
pub struct Connection {
    runtime: Runtime,
    client: Arc<Client>,
    deadline: Duration,
}

/// A model of a deployment.
pub struct Served {
    description: Description,
}

/// What one query of any size gave and cost.
pub struct Answered {
    /// The outputs, in the model's order.
    pub outputs: Vec<Array>,
    /// What each party got of the input, in the last session.
    pub seen: Vec<(PartyId, Vec<u8>)>,
    /// What it cost.
    pub cost: Cost,
}

/// What one query of any size cost. Bytes and times are summed over its sessions, which run one after another.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Who dealt and who evaluated, in the last session.
    pub roles: Roles,
    /// Sessions it took.
    pub sessions: usize,
    /// Rounds of a session.
    pub rounds: u32,
    /// Between the evaluators.
    pub online_bytes: OnlineBytes,
    /// From the dealer.
    pub dealt_bytes: u64,
    /// Whether its sessions were prepared before it came; their dealing and preparing is then not part of its time.
    pub is_prepared: bool,
    /// How long it took.
    pub times: Times,
}

/// Where the time of a query goes. What several parties do side by side counts as long as the slowest of them takes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Times {
    /// From the arrays to the result.
    pub total: Duration,
    /// Encoding, sharing, sealing, opening and decoding at the client, and the way to the coordinator and back.
    pub client: Duration,
    /// Waiting for a turn at the coordinator.
    pub queue: Duration,
    /// Opening the envelopes and agreeing on the session.
    pub start: Duration,
    /// The dealer's arithmetic and sending.
    pub deal: Duration,
    /// An evaluator's arithmetic that does not depend on the input.
    pub prepare: Duration,
    /// An evaluator's arithmetic on the input, and its waiting for the other one.
    pub online: Duration,
    /// Dealing and evaluating: from the session's keys to the output shares.
    pub session: Duration,
}

impl Connection {
    /// Connects to the deployment of a client's configuration.
    pub fn open(config: &ClientConfig) -> Result<Connection, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|reason| Failure::machine(format!("cannot start a network thread: {reason}")))?;
        let client = runtime.block_on(Client::connect(settings(config)?)).map_err(failure)?;
        Ok(Connection {
            runtime,
            client: Arc::new(client),
            deadline: config.deadline,
        })
    }

    /// The shortest round-trip between two nodes, as they last measured it; sessions run their rounds between such a pair.
    pub fn round_trip(&self) -> Result<Option<Duration>, Failure> {
        let status = self.runtime.block_on(self.client.status()).map_err(failure)?;
        let links = status.nodes.iter().flat_map(|node| &node.links);
        let shortest = links.filter_map(|link| link.round_trip_us).min();
        Ok(shortest.map(|microseconds| Duration::from_micros(microseconds.into())))
    }

    /// Shares a model with the three parties; gives the plan's digest.
    pub fn deploy(&self, name: &str, plan: &Plan, parameters: &Parameters) -> Result<PlanDigest, Failure> {
        self.runtime
            .block_on(self.client.deploy(name, plan, parameters))
            .map_err(failure)
    }

    /// The plan of a model.
    pub fn describe(&self, name: &str) -> Result<Served, Failure> {
        let description = self.runtime.block_on(self.client.describe(name)).map_err(failure)?;
        Ok(Served { description })
    }

    /// Asks one query, in as many sessions as the parties' limit makes of it.
    pub fn ask(&self, model: &Served, arrays: &[Array]) -> Result<Answered, Failure> {
        self.runtime
            .block_on(ask(&self.client, &model.description, arrays, self.deadline))
    }

    /// Asks the same query again and again, `concurrency` of them at any time, as long as `more` wants another one; it sees the costs of those
    /// that are answered. With `pooled` each waits for a prepared session first, outside of its time. Gives the costs in the order of the answers, and the last answer's outputs.
    pub fn ask_side_by_side(
        &self,
        model: &Served,
        arrays: &[Array],
        concurrency: usize,
        pooled: bool,
        mut more: impl FnMut(&[Cost]) -> bool,
    ) -> Result<(Vec<Cost>, Vec<Array>), Failure> {
        let arrays: Arc<[Array]> = arrays.into();
        let (mut costs, mut outputs) = (Vec::new(), Vec::new());
        self.runtime.block_on(async {
            let mut asked = JoinSet::new();
            loop {
                while asked.len() < concurrency && more(&costs) {
                    let (client, description, arrays) =
                        (self.client.clone(), model.description.clone(), arrays.clone());
                    let deadline = self.deadline;
                    asked.spawn(async move {
                        if pooled {
                            wait_for_prepared(&client, &description, deadline).await?;
                        }
                        ask(&client, &description, &arrays, deadline).await
                    });
                }
                let Some(answered) = asked.join_next().await else {
                    return Ok::<_, Failure>(());
                };
                let answered = answered.map_err(|fault| Failure::new(ExitCode::Internal, fault))??;
                costs.push(answered.cost);
                outputs = answered.outputs;
            }
        })?;
        Ok((costs, outputs))
    }
}

impl Served {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        self.description.plan()
    }

    /// Its identity.
    pub fn digest(&self) -> PlanDigest {
        self.description.digest()
    }
}

/// How often it is looked whether a session is prepared.
const PREPARED_CHECK_TIME: Duration = Duration::from_millis(2);

/// Waits until a session of the model is prepared.
async fn wait_for_prepared(client: &Client, description: &Description, patience: Duration) -> Result<(), Failure> {
    let start = Instant::now();
    while start.elapsed() < patience {
        let prepared = client.status().await.map_err(failure)?.prepared;
        let of_model = prepared.iter().find(|of| of.model == *description.name());
        if of_model.is_some_and(|of| of.ready > 0) {
            return Ok(());
        }
        tokio::time::sleep(PREPARED_CHECK_TIME).await;
    }
    let reason = "no session is prepared within the deadline; see the logs of coordinator and nodes for the reason";
    Err(Failure::machine(reason))
}

async fn ask(
    client: &Client,
    description: &Description,
    arrays: &[Array],
    deadline: Duration,
) -> Result<Answered, Failure> {
    let plan = description.plan();
    let parts = batches::split(&plan.inputs, arrays, description.batch_max() as usize);
    let start = Instant::now();
    let mut answers: Vec<Answer> = Vec::with_capacity(parts.len());
    for part in &parts {
        answers.push(client.infer(description, part, deadline).await.map_err(failure)?);
    }
    collect(plan, answers, start)
}

fn collect(plan: &Plan, answers: Vec<Answer>, start: Instant) -> Result<Answered, Failure> {
    let sessions = answers.len();
    let mut rounds = 0;
    let mut online_bytes = OnlineBytes::default();
    let mut dealt_bytes = 0;
    let mut times = Times::default();
    let is_prepared = answers.iter().all(|answer| answer.report.is_prepared);
    let mut last = None;
    let mut parts = Vec::with_capacity(sessions);
    for answer in answers {
        let report = &answer.report;
        let [dealer, first, second] =
            [Role::Dealer, Role::Evaluator0, Role::Evaluator1].map(|role| *report.party(answer.roles.party(role)));
        rounds = first.rounds.max(second.rounds).max(rounds);
        online_bytes.e0_to_e1 += first.online_bytes_sent;
        online_bytes.e1_to_e0 += second.online_bytes_sent;
        dealt_bytes += dealer.dealt_bytes_sent;
        let slowest = |time: fn(&PartyReport) -> Duration| time(&dealer).max(time(&first)).max(time(&second));
        times.total += report.total;
        times.queue += report.queue;
        times.start += slowest(|party| party.start);
        times.deal += dealer.deal;
        times.prepare += slowest(|party| party.prepare);
        times.online += slowest(|party| party.online_compute + party.online_wait);
        times.session += slowest(|party| party.run);
        last = Some((answer.roles, answer.seen));
        parts.push(answer.outputs);
    }
    let outputs = batches::join(&plan.outputs, parts)?;
    let total = start.elapsed();
    times.client = total.saturating_sub(times.total);
    times.total = total;
    let (roles, seen) = last.ok_or_else(|| Failure::new(ExitCode::Internal, "a query took no session"))?;
    let cost = Cost {
        roles,
        sessions,
        rounds,
        online_bytes,
        dealt_bytes,
        is_prepared,
        times,
    };
    Ok(Answered { outputs, seen, cost })
}

/// Asks the same query several times and says what it gave and cost; the caller adds what it compares with.
pub fn measure(
    connection: &Connection,
    model: &Served,
    arrays: &[Array],
    repeat: u32,
) -> Result<(Vec<Array>, QueryReport), Failure> {
    let answered = (0..repeat)
        .map(|_| connection.ask(model, arrays))
        .collect::<Result<Vec<_>, _>>()?;
    let (Some(online_ms), Some(total_ms), Some(last)) = (
        spread(&answered, |times| times.online),
        spread(&answered, |times| times.total),
        answered.last(),
    ) else {
        return Err(Failure::new(ExitCode::Usage, "--repeat is at least 1"));
    };
    let plan = model.plan();
    let outputs = plan
        .outputs
        .iter()
        .zip(&last.outputs)
        .map(|(output, array)| OutputReport {
            name: output.name.clone(),
            shape: array.shape().to_vec(),
            predictions: crate::compare::labels(array, output),
        });
    let outputs: Vec<OutputReport> = outputs.collect();
    let report = QueryReport {
        model: plan.name.clone(),
        digest: model.digest().to_string(),
        batch: batches::samples(&plan.inputs, arrays) as u32,
        sessions: last.cost.sessions,
        repeat,
        ring_bits: plan.ring_bits,
        roles: last.cost.roles.into(),
        rounds: last.cost.rounds,
        online_bytes: last.cost.online_bytes,
        dealt_bytes: last.cost.dealt_bytes,
        online_ms,
        total_ms,
        plaintext_ms: None,
        queries_per_second: 1e3 * f64::from(repeat)
            / answered
                .iter()
                .map(|asked| asked.cost.times.total.as_secs_f64() * 1e3)
                .sum::<f64>(),
        reference: None,
        comparison: None,
        cpu_seconds: Default::default(),
        peak_rss_bytes: Default::default(),
        predictions: outputs
            .first()
            .map(|output| output.predictions.clone())
            .unwrap_or_default(),
        outputs,
    };
    Ok((last.outputs.clone(), report))
}

fn spread(answered: &[Answered], time: impl Fn(&Times) -> Duration) -> Option<Spread> {
    Spread::of(answered.iter().map(|asked| time(&asked.cost.times).as_secs_f64() * 1e3))
}

fn settings(config: &ClientConfig) -> Result<ClientSettings, Failure> {
    ClientSettings::from_config(config).map_err(|error| {
        let code = match error {
            SettingsError::Resolve { .. } => ExitCode::Unreachable,
            SettingsError::Identity(_) => ExitCode::Configuration,
        };
        Failure::new(code, error)
    })
}

/// Who has to act, as an exit code.
fn failure(error: ClientError) -> Failure {
    let code = match error.cause() {
        Cause::Request => ExitCode::Input,
        Cause::Configuration => ExitCode::Configuration,
        Cause::Coordinator => ExitCode::Unreachable,
        Cause::Party => ExitCode::Party,
        Cause::Overload => ExitCode::Overload,
        Cause::Deadline => ExitCode::Deadline,
        Cause::Defect => ExitCode::Internal,
    };
    Failure::new(code, error)
}
