//! `tercet deploy`

use serde::Serialize;
use tercet_config::ClientConfig;
use tercet_plan::cost::Network;

use crate::arguments::DeployArguments;
use crate::compile;
use crate::exit::Failure;
use crate::output::Report;
use crate::progress::Progress;
use crate::query::Connection;

/// What is now served.
#[derive(Serialize)]
pub struct DeployReport {
    model: String,
    digest: String,
    ring_bits: u8,
}

/// Shares a model with a running deployment.
pub fn run(arguments: &DeployArguments) -> Result<DeployReport, Failure> {
    let config = ClientConfig::load(&arguments.config)?;
    config.check_files()?;
    let name = arguments
        .name
        .clone()
        .unwrap_or_else(|| compile::name(&arguments.compile));
    let model = compile::read(&arguments.compile)?;
    let mut compiled = compile::compile(&model, &name, &arguments.compile.settings, None)?;
    let connection = Connection::open(&config)?;
    let network = Network {
        round_trip: match arguments.rtt {
            Some(rtt) => rtt.0,
            None => connection.round_trip()?.unwrap_or(compile::ONE_MACHINE.round_trip),
        },
        bytes_per_second: arguments.bandwidth.bytes_per_second,
    };
    compile::choose_protocols(&mut compiled.plan, &arguments.compile.settings, network, 1);
    let _progress = Progress::start(format!("sharing {name} with the three parties"));
    let digest = connection.deploy(&name, &compiled.plan, &compiled.parameters)?;
    Ok(DeployReport {
        model: name,
        digest: digest.to_string(),
        ring_bits: compiled.plan.ring_bits,
    })
}

impl Report for DeployReport {
    fn text(&self) -> String {
        format!(
            "All three parties serve {} on Z_2^{}.\nClients can pin its plan:\n\n[models.{}]\ndigest = \"{}\"\n",
            self.model, self.ring_bits, self.model, self.digest
        )
    }
}
