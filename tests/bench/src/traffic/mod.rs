//! A load as it comes from outside: so many requests per second, whether the earlier ones are answered or not.
//!
//! Latencies count from the instant at which a request was due. So what waits because everything before it is
//! slow, on the client's side too, is seen.

mod answer;
mod heard;
mod ledger;
mod schedule;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use idem_tests::http::post;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use self::answer::Answer;
pub(crate) use self::heard::Heard;
pub(crate) use self::schedule::Schedule;
use self::schedule::{Behaviour, behaviour};
use crate::connection::Connection;
use crate::keys;

/// The clients of some nodes.
#[derive(Clone)]
pub(crate) struct Clients {
    nodes: Arc<[SocketAddr]>,
    /// Connections that wait for their next request, by node.
    idle: Arc<[Mutex<Vec<Connection>>]>,
    /// Room for open requests.
    open: Arc<Semaphore>,
    heard: Arc<Mutex<Heard>>,
    schedule: Schedule,
    begin: Instant,
}

/// What a client does after an attempt.
enum Next {
    End,
    Retry { after: Duration },
}

impl Clients {
    /// The schedule begins now.
    pub(crate) fn of(
        nodes: impl IntoIterator<Item = SocketAddr>,
        most_open: usize,
        schedule: Schedule,
    ) -> Self {
        let nodes: Arc<[_]> = nodes.into_iter().collect();
        Self {
            idle: nodes.iter().map(|_| Mutex::default()).collect(),
            nodes,
            open: Arc::new(Semaphore::new(most_open)),
            heard: Arc::default(),
            schedule,
            begin: Instant::now(),
        }
    }

    /// Sends each request when it is due, and waits for the answers that are open at the end.
    pub(crate) async fn load(self) -> Heard {
        let mut arrivals = JoinSet::new();
        let due = (0..).map_while(|number| Some((number, self.schedule.due(number)?)));
        for (number, due) in due {
            sleep_until((self.begin + due).into()).await;
            let clients = self.clone();
            arrivals.spawn(async move { clients.arrive(number, due).await });
            while let Some(ended) = arrivals.try_join_next() {
                ended.unwrap();
            }
        }
        while let Some(ended) = arrivals.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    async fn arrive(&self, number: u32, due: Duration) {
        let (key, node) = (u64::from(number), number as usize);
        let behaviour = behaviour(number);
        if behaviour == Behaviour::Retries
            && let Some(key) = self.answered(number)
        {
            self.pay(key, node).await;
            return self.measure(due, |heard| &mut heard.replays);
        }
        self.heard.lock().unwrap().ledger.send(key);
        match behaviour {
            Behaviour::Pays | Behaviour::Retries => {
                self.pay(key, node).await;
                self.measure(due, |heard| &mut heard.first_writes);
            }
            Behaviour::SendsTwice => {
                tokio::join!(self.pay(key, node), self.pay(key, node + 1));
            }
            Behaviour::HangsUp(later) => {
                if timeout(later, self.attempt(key, node)).await.is_err() {
                    self.heard.lock().unwrap().hung_up += 1;
                }
                self.pay(key, node + 1).await;
            }
        }
    }

    /// One that has answered already, whichever it is.
    fn answered(&self, number: u32) -> Option<u64> {
        let any = (number as usize).wrapping_mul(2_654_435_761);
        self.heard.lock().unwrap().ledger.answered(any)
    }

    /// Writes down how long a request has taken, even if it was given up.
    fn measure(&self, due: Duration, of: impl FnOnce(&mut Heard) -> &mut Vec<Duration>) {
        if self.schedule.is_measured(due) {
            let took = self.begin.elapsed().saturating_sub(due);
            of(&mut self.heard.lock().unwrap()).push(took);
        }
    }

    /// Sends the key to one node after the other until it is answered, or until it is too late.
    async fn pay(&self, key: u64, first: usize) {
        let give_up = self.begin + self.schedule.end() + GRACE;
        for node in first.. {
            let attempt = timeout(PATIENCE, self.attempt(key, node)).await;
            let next = attempt.unwrap_or_else(|_| self.unheard());
            match next {
                Next::Retry { after } if Instant::now() + after < give_up => sleep(after).await,
                Next::Retry { .. } | Next::End => return,
            }
        }
    }

    /// Sends one attempt to a node. Dropped, its connection is closed.
    async fn attempt(&self, key: u64, node: usize) -> Next {
        let _open = self.open.acquire().await;
        let node = node % self.nodes.len();
        let reference = keys::numbered(key);
        let payment = json!({ "amount": 1250, "reference": reference });
        let request = post("/payments").json(&payment).key(&reference);
        let idle = self.idle[node].lock().unwrap().pop();
        let answer = async {
            let mut connection = match idle.filter(|idle| !idle.is_closed()) {
                Some(idle) => idle,
                None => Connection::to(self.nodes[node]).await?,
            };
            let answer = connection.send(request.to_request()).await?;
            self.idle[node].lock().unwrap().push(connection);
            std::io::Result::Ok(answer)
        };
        match answer.await {
            Ok((head, body)) => {
                let answer = Answer::read(&reference, head.status, &head.headers, &body);
                self.hear(key, answer)
            }
            Err(_) => self.unheard(),
        }
    }

    fn hear(&self, key: u64, answer: Answer) -> Next {
        let mut heard = self.heard.lock().unwrap();
        match answer {
            Answer::Paid { payment, is_replay } => {
                let is_first = heard.ledger.paid(key, payment, is_replay);
                let in_time = self.schedule.is_measured(self.begin.elapsed());
                heard.answered_in_time += usize::from(in_time && is_first);
                heard.replayed_in_time += usize::from(in_time && !is_first);
                Next::End
            }
            Answer::Refused { kind, after } => {
                *heard.refused.entry(kind).or_default() += 1;
                Next::Retry { after }
            }
            Answer::Wrong(what) => {
                heard.ledger.contradict(key, what);
                Next::End
            }
        }
    }

    fn unheard(&self) -> Next {
        self.heard.lock().unwrap().unheard += 1;
        Next::Retry { after: PAUSE }
    }
}

/// How long a client waits for an answer before it sends its key again. Longer than an attempt waits for a connection,
/// so that refusals are heard.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it waits before that.
const PAUSE: Duration = Duration::from_secs(1);

/// For how long after the end of the schedule unanswered keys are sent again.
const GRACE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::future::pending;

    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use axum::{Json, Router};
    use idem_tests::http::serve;
    use serde_json::Value;
    use tokio::sync::Barrier;

    use super::*;

    /// Five requests, one per millisecond, each with a key of its own.
    const FIVE: Schedule = Schedule {
        per_second: 1000,
        warm_up: Duration::ZERO,
        time: Duration::from_millis(5),
    };

    async fn heard_from(app: Router) -> Heard {
        let nodes = [serve(app.clone()).await, serve(app).await];
        Clients::of(nodes, 100, FIVE).load().await
    }

    /// The payment that the request asks for.
    fn payment(id: i64, request: &Value) -> (StatusCode, Json<Value>) {
        let payment = json!({ "id": id, "reference": request["reference"] });
        (StatusCode::CREATED, Json(payment))
    }

    /// Whoever hangs up leaves an attempt that is never answered, and sends its key once more.
    #[tokio::test]
    async fn a_client_that_hangs_up_sends_its_key_again() {
        let number = 8;
        assert!(matches!(behaviour(number), Behaviour::HangsUp(_)));
        let hung_up = Arc::new(Mutex::new(BTreeSet::new()));
        let pay = async move |Json(request): Json<Value>| {
            let key = request["reference"].as_str().unwrap().to_owned();
            let is_hanging_up = key == keys::numbered(number.into());
            if is_hanging_up && hung_up.lock().unwrap().insert(key) {
                pending::<()>().await;
            }
            payment(7, &request)
        };
        let schedule = Schedule {
            time: Duration::from_millis(9),
            ..FIVE
        };
        let app = Router::new().route("/payments", post(pay));
        let nodes = [serve(app).await];
        let heard = Clients::of(nodes, 100, schedule).load().await;
        assert_eq!((heard.hung_up, heard.ledger.unanswered()), (1, 0));
    }

    /// A load that waited for an answer before it sends the next request would never end.
    #[tokio::test]
    async fn a_request_leaves_though_no_earlier_one_is_answered() {
        let all = Arc::new(Barrier::new(5));
        let pay = async move |Json(request): Json<Value>| {
            all.wait().await;
            payment(7, &request)
        };
        let heard = heard_from(Router::new().route("/payments", post(pay))).await;
        assert_eq!((heard.ledger.keys(), heard.ledger.unanswered()), (5, 0));
        // The first one was due four milliseconds before the last one, for which its answer waited.
        let slowest = heard.first_writes.iter().max().unwrap();
        assert_eq!(heard.first_writes.len(), 5);
        assert!(*slowest >= Duration::from_millis(4), "{slowest:?}");
    }

    #[tokio::test]
    async fn a_refused_key_is_sent_again_until_it_is_paid_and_refusals_are_counted() {
        let refused = Arc::new(Mutex::new(BTreeSet::new()));
        let pay = async move |headers: HeaderMap, Json(request): Json<Value>| {
            let key = headers["idempotency-key"].to_str().unwrap().to_owned();
            if refused.lock().unwrap().insert(key) {
                let problem = json!({ "type": "urn:idem:problem:overloaded" });
                return Err((
                    StatusCode::SERVICE_UNAVAILABLE,
                    [("retry-after", "0")],
                    Json(problem),
                ));
            }
            Ok(payment(7, &request))
        };
        let heard = heard_from(Router::new().route("/payments", post(pay))).await;
        let expected = [("503 overloaded".to_owned(), 5)];
        assert_eq!(heard.refused, expected.into());
        assert_eq!((heard.ledger.keys(), heard.ledger.unanswered()), (5, 0));
    }

    #[tokio::test]
    async fn an_answer_that_is_neither_a_payment_nor_a_refusal_ends_its_key_as_a_violation() {
        let fail = async || StatusCode::INTERNAL_SERVER_ERROR;
        let heard = heard_from(Router::new().route("/payments", post(fail))).await;
        let violations = heard.ledger.violations([]);
        assert_eq!(violations.len(), 5);
        assert!(violations[0].ends_with("the answer was 500 Internal Server Error null"));
    }
}
