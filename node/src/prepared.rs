//! A session in two halves at this party: what is done before there is a query, and with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tercet_engine::{PreparedSession, SessionSpec, prepare as prepare_engine};
use tercet_net::{Cancellation, StreamWriter};
use tercet_wire::{Done, Hello, PartyReport, Prepare, QueryPart, Run};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use crate::batch::{QueryRefusal, Seat};
use crate::compute::{Computed, Wired, conclude, wire};
use crate::envelope::open_query;
use crate::failure::SessionError;
use crate::greeting::{fresh_nonce, greet_both};
use crate::limits::PREPARED_SESSIONS_MAX;
use crate::link::StreamKeeper;
use crate::parameters::ServedModel;
use crate::pool::Reservation;
use crate::session::{Services, done, find_model, record};

/// What is kept of a session that waits for its query. It lives in memory alone: a node that starts again has none.
pub struct Prepared {
    prepare: Prepare,
    model: Arc<ServedModel>,
    session: PreparedSession,
    keepers: [StreamKeeper; 2],
    cancellation: Cancellation,
    reservation: Reservation,
}

/// Ends the work on a compute thread when nobody waits for it any more.
struct CancelOnDrop(Option<Cancellation>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(cancellation) = self.0.take() {
            cancellation.cancel();
        }
    }
}

/// The first half: a place, the model, room, the peers, and the computation that needs no input. The caller bounds the wait; dropping the
/// future ends the computation.
///
/// # Errors
/// No room or no free place; the model; the peers; those of the engine.
pub async fn prepare(prepare: Prepare, deadline: Instant, services: &Services) -> Result<Prepared, SessionError> {
    let party = services.me;
    // Queries go first: a preparation never waits for a place.
    let place = services.places.clone().try_acquire_owned();
    let place = place.map_err(|_| SessionError::Busy(party))?;
    let model = find_model(&prepare.model, prepare.batch, services).await?;
    let bytes = model.plan.memory(prepare.batch).waiting;
    let reservation = services.pool.reserve(bytes, PREPARED_SESSIONS_MAX);
    let reservation = reservation.ok_or(SessionError::PoolFull {
        party,
        bytes,
        most: services.pool.bytes_max(),
    })?;
    let hello = Hello {
        session: prepare.session,
        digest: prepare.model.digest,
        deployment: prepare.model.deployment,
        roles: prepare.roles,
        queries: vec![],
        prepared: Some(prepare.batch),
        nonce: fresh_nonce(party)?,
    };
    let meeting = greet_both(&hello, &services.peers, party).await?;
    let cancellation = Cancellation::new();
    let Wired {
        keepers,
        secrets,
        links,
    } = wire(meeting.peers, services.limits.frame_bytes, deadline, &cancellation);
    let spec = SessionSpec {
        id: prepare.session,
        plan: model.plan.clone(),
        digest: model.model.digest,
        batch: prepare.batch,
        roles: prepare.roles,
        me: party,
        nonces: meeting.nonces,
        deadline,
    };
    let mut given_up = CancelOnDrop(Some(cancellation.clone()));
    let parameters = model.clone();
    let session = spawn_blocking(move || {
        let _place = place;
        prepare_engine(spec, secrets, links, &parameters.parameters)
    });
    let what = "preparing a session broke off";
    let session = session.await.map_err(|_| SessionError::Defect { party, what })??;
    given_up.0 = None;
    Ok(Prepared {
        prepare,
        model,
        session,
        keepers,
        cancellation,
        reservation,
    })
}

impl Prepared {
    /// Memory set aside for it.
    pub fn bytes(&self) -> u64 {
        self.reservation.bytes()
    }

    /// What ends its waits.
    pub fn cancellation(&self) -> Cancellation {
        self.cancellation.clone()
    }

    /// The one query of a run, if the run is of this session.
    fn query_of<'a>(&self, run: &'a Run) -> Option<&'a QueryPart> {
        let [part] = &run.queries[..] else { return None };
        let fits = run.session == self.prepare.session
            && run.model == self.prepare.model
            && part.batch == self.prepare.batch
            && run.roles == self.prepare.roles;
        fits.then_some(part)
    }
}

/// The second half: a place, the envelope, and the computation on it. The session is used up, whatever comes of it.
///
/// # Errors
/// The run is of something else, the query is of no use, the peers have got another one; those of the engine.
pub async fn finish_prepared(
    run: &Run,
    prepared: Prepared,
    deadline: Instant,
    services: &Arc<Services>,
) -> Result<(Done, Vec<StreamWriter>), SessionError> {
    let party = services.me;
    let begun = Instant::now();
    let part = prepared.query_of(run).ok_or(SessionError::NotAsPrepared(party))?;
    let part = part.clone();
    let place = services.place().await?;
    let waited = begun.elapsed();
    let model = prepared.model.clone();
    let opening = services.clone();
    let computed = spawn_blocking(move || finish(prepared, &part, deadline, &opening, place));
    let what = "the computation broke off";
    let (start, computed) = computed.await.map_err(|_| SessionError::Defect { party, what })??;
    record(services, run, &model, waited, start, &computed);
    let report = PartyReport {
        start,
        ..computed.report
    };
    Ok((done(computed.results, report, party), computed.sent))
}

fn finish(
    prepared: Prepared,
    part: &QueryPart,
    deadline: Instant,
    services: &Services,
    _place: OwnedSemaphorePermit,
) -> Result<(Duration, Computed), SessionError> {
    let Prepared {
        prepare,
        model,
        session,
        keepers,
        reservation: _held_to_the_end,
        ..
    } = prepared;
    let started = Instant::now();
    let opened = open_query(
        &services.sealing_key,
        services.me,
        &model.plan,
        model.model.digest,
        part,
    );
    let query = opened.map_err(QueryRefusal::from)?;
    let start = started.elapsed();

    let begun = Instant::now();
    // All are told and all are heard, even if one fails: which query the peers have got says more than what went wrong with it.
    let told = keepers.each_ref().map(|keeper| keeper.confirm(query.binding, deadline));
    let output = match told.into_iter().collect::<Result<Vec<()>, _>>() {
        Ok(_) => session
            .run(&model.parameters, query.input, deadline)
            .map_err(SessionError::from),
        Err(error) => {
            drop(session);
            Err(error)
        }
    };
    let heard = keepers.each_ref().map(StreamKeeper::confirmed);
    if let Some(differs) = heard.iter().find_map(|heard| match heard {
        Err(differs @ SessionError::Query(_)) => Some(differs.clone()),
        _ => None,
    }) {
        // In good order: a peer that does not hear the binding would only see a lost session.
        keepers.into_iter().filter_map(StreamKeeper::finish).for_each(drop);
        return Err(differs);
    }
    let output = output?;
    heard.into_iter().collect::<Result<Vec<()>, _>>()?;
    let seat = Seat {
        place: 0,
        batch: part.batch,
        reply: query.reply,
    };
    let computed = conclude(output, vec![seat], keepers, services.me, prepare.roles, begun);
    Ok((start, computed))
}
