//! Queries of a deployment, measured.

use std::time::{Duration, Instant};

use tercet_client::{Answer, Cause, Client, ClientError, ClientSettings, Description};
use tercet_config::{ClientConfig, TransportConfig};
use tercet_ids::{PartyId, PlanDigest, Role, Roles};
use tercet_net::{Fingerprint, Identity, TransportSettings};
use tercet_plan::{Array, Parameters, Plan};
use tercet_sharing::SealingPublicKey;
use tercet_wire::Report;
use tokio::runtime::Runtime;

use crate::batches;
use crate::exit::{ExitCode, Failure};
use crate::report::{OnlineBytes, OutputReport, QueryReport};
use crate::statistics::Spread;

/// A connection to a deployment.
pub struct Connection {
    runtime: Runtime,
    client: Client,
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
    /// Who dealt and who evaluated, in the last session.
    pub roles: Roles,
    /// Rounds of a session.
    pub rounds: u32,
    /// Between the evaluators.
    pub online_bytes: OnlineBytes,
    /// From the dealer.
    pub dealt_bytes: u64,
    /// The slower evaluator's arithmetic and waiting.
    pub online: Duration,
    /// From the arrays to the result.
    pub total: Duration,
    /// Sessions it took.
    pub sessions: usize,
    /// What each party got of the input, in the last session.
    pub seen: Vec<(PartyId, Vec<u8>)>,
}

impl Connection {
    /// Connects to the deployment of a client's configuration.
    pub fn open(config: &ClientConfig) -> Result<Connection, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|reason| Failure::machine(format!("cannot start a network thread: {reason}")))?;
        let client = runtime.block_on(Client::connect(settings(config)?)).map_err(failure)?;
        Ok(Connection {
            runtime,
            client,
            deadline: config.deadline,
        })
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
        let plan = model.plan();
        let parts = batches::split(&plan.inputs, arrays, model.description.batch_max() as usize);
        let start = Instant::now();
        let mut answers: Vec<Answer> = Vec::with_capacity(parts.len());
        for part in &parts {
            let asked = self.client.infer(&model.description, part, self.deadline);
            answers.push(self.runtime.block_on(asked).map_err(failure)?);
        }
        collect(plan, answers, start)
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

fn collect(plan: &Plan, answers: Vec<Answer>, start: Instant) -> Result<Answered, Failure> {
    let sessions = answers.len();
    let mut rounds = 0;
    let mut online_bytes = OnlineBytes::default();
    let mut dealt_bytes = 0;
    let mut online = Duration::ZERO;
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
        online += online_time(report, answer.roles);
        last = Some((answer.roles, answer.seen));
        parts.push(answer.outputs);
    }
    let outputs = batches::join(&plan.outputs, parts)?;
    let total = start.elapsed();
    let (roles, seen) = last.ok_or_else(|| Failure::new(ExitCode::Internal, "a query took no session"))?;
    Ok(Answered {
        outputs,
        roles,
        rounds,
        online_bytes,
        dealt_bytes,
        online,
        total,
        sessions,
        seen,
    })
}

fn online_time(report: &Report, roles: Roles) -> Duration {
    let evaluators = [Role::Evaluator0, Role::Evaluator1].map(|role| report.party(roles.party(role)));
    evaluators
        .map(|party| party.online_compute + party.online_wait)
        .into_iter()
        .max()
        .unwrap_or_default()
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
        spread(&answered, |asked| asked.online),
        spread(&answered, |asked| asked.total),
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
        sessions: last.sessions,
        repeat,
        ring_bits: plan.ring_bits,
        roles: last.roles.into(),
        rounds: last.rounds,
        online_bytes: last.online_bytes,
        dealt_bytes: last.dealt_bytes,
        online_ms,
        total_ms,
        plaintext_ms: None,
        queries_per_second: 1e3 * f64::from(repeat)
            / answered
                .iter()
                .map(|asked| asked.total.as_secs_f64() * 1e3)
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

fn spread(answered: &[Answered], time: impl Fn(&Answered) -> Duration) -> Option<Spread> {
    Spread::of(answered.iter().map(|asked| time(asked).as_secs_f64() * 1e3))
}

fn settings(config: &ClientConfig) -> Result<ClientSettings, Failure> {
    let configuration = |reason: String| Failure::new(ExitCode::Configuration, reason);
    let coordinator = &config.coordinator;
    let coordinator_address = coordinator.address.resolve().map_err(|reason| {
        let address = &coordinator.address;
        Failure::new(
            ExitCode::Unreachable,
            format!("cannot find the coordinator at {address}: {reason}; check coordinator.address"),
        )
    })?;
    let identity = Identity::load(&config.identity.certificate, &config.identity.private_key);
    let TransportConfig {
        mtu,
        window_bytes,
        idle,
        keep_alive,
    } = config.transport;
    let transport = TransportSettings {
        mtu,
        stream_window_bytes: window_bytes,
        idle,
        keep_alive,
        ..TransportSettings::default()
    };
    Ok(ClientSettings {
        coordinator_address,
        coordinator: Fingerprint(coordinator.certificate_sha256.0),
        identity: identity.map_err(|error| configuration(error.to_string()))?,
        sealing_keys: config.sealing_keys.map(|key| SealingPublicKey(key.0)),
        pinned: config.pinned.clone(),
        transport,
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
