//! Work that runs beside attempts, in rounds. Each returns how many payments it leaves.

use idem_axum::engine::{
    ConsumerPolicy, Idempotency, IdempotencyKey, Inbox, Invalidated, MessageOutcome, ProcessError,
    Processed, RecordFilter, RolloutMode, Scope,
};
use idem_tests::http::{self, Attempt};
use serde_json::json;

use super::Db;
use super::delivery::pay;
use super::support::app::{app, has_paid};

type Idem = Idempotency<Db>;

pub async fn sweep_and_erase(idem: Idem, round: usize) -> i64 {
    let key = format!("swept-{round}");
    for tenant in ["swept", "erased"] {
        let paid = payment_of(tenant, &key).send(&app(idem.clone())).await;
        assert!(has_paid(&paid), "{paid:?}");
    }
    let expire = "update idem.record set expires_at = created_at where scope = 'swept'";
    sqlx::raw_sql(expire).execute(idem.pool()).await.unwrap();
    assert_eq!(idem.sweep().await.unwrap(), 1);
    let scope = Scope::new("erased").unwrap();
    assert_eq!(idem.erase(&scope, "test").await.unwrap(), 1);
    2
}

pub async fn look_at_records(idem: Idem, round: usize) -> i64 {
    let key = format!("looked-at-{round}");
    let pay = payment_of("looked at", &key);
    let paid = pay.send(&app(idem.clone())).await;
    assert!(has_paid(&paid), "{paid:?}");
    let all = idem.records(&RecordFilter::default(), None, 20).await;
    assert!(!all.unwrap().is_empty());
    assert!(!idem.count_records().await.unwrap().is_empty());
    let key = key.parse::<IdempotencyKey>().unwrap();
    let only = RecordFilter::default().key(key);
    let view = idem.records(&only, None, 20).await.unwrap().remove(0);
    let invalidated = idem.invalidate(&view.name, "test").await.unwrap();
    assert_eq!(invalidated, Invalidated::Gone);
    let paid = pay.send(&app(idem)).await;
    assert!(has_paid(&paid), "{paid:?}");
    2
}

pub async fn move_the_rollout(idem: Idem, _: usize) -> i64 {
    let rule = Some(RolloutMode::Observe.into());
    idem.publish_rollout("POST /other", rule).await.unwrap();
    idem.read_rollout().await.unwrap();
    let plan = idem.rollout().plan().to_string();
    assert!(plan.contains("POST /other=observe"), "{plan}");
    idem.publish_rollout("POST /other", None).await.unwrap();
    idem.read_rollout().await.unwrap();
    idem.check().await.unwrap();
    idem.migrate().await.unwrap();
    0
}

/// Observed attempts, which all run.
pub async fn observe(idem: Idem, round: usize) -> i64 {
    idem.rollout().set("*", RolloutMode::Observe);
    let app = app(idem);
    for _ in 0..2 {
        let key = format!("observed-{round}");
        let paid = payment_of("observed", &key).send(&app).await;
        assert!(has_paid(&paid), "{paid:?}");
    }
    2
}

pub async fn handle_messages(idem: Idem, round: usize) -> i64 {
    let inbox = Inbox::new(idem);
    let id = format!("one {round}");
    let first = inbox.process("billing", &id, pay).await;
    assert!(matches!(first, Ok(Processed::First(_))), "{first:?}");
    let again = inbox.process("billing", &id, pay).await;
    assert!(matches!(again, Ok(Processed::Duplicate)), "{again:?}");

    let ids = ["a", "b", "c"].map(|id| format!("{id} {round}"));
    for expected in [MessageOutcome::First, MessageOutcome::Duplicate] {
        let messages = ids.iter().map(|id| id.into());
        let mut batch = inbox.process_batch("receipts", messages).unwrap();
        while let Some(mut message) = batch.next().await.unwrap() {
            pay(&mut message.tx()).await.unwrap();
            message.done();
        }
        assert_eq!(batch.finish().await.unwrap(), [expected; 3]);
    }
    4
}

pub async fn park_and_re_drive(idem: Idem, round: usize) -> i64 {
    let policy = ConsumerPolicy::default().max_attempts(2);
    let inbox = Inbox::builder(idem).consumer("parking", policy);
    let inbox = inbox.build().unwrap();
    let ids = ["re-driven", "discarded"].map(|id| format!("{id} {round}"));
    for (id, attempt) in ids.iter().flat_map(|id| [(id, 1), (id, 2)]) {
        let failed = inbox.process("parking", id, async |tx| {
            pay(tx).await.unwrap();
            Err::<(), _>("no ledger")
        });
        let failed = failed.await;
        let Err(ProcessError::Failed { attempts, .. }) = failed else {
            panic!("{failed:?}")
        };
        assert_eq!(attempts, attempt);
    }
    let letters = inbox.dead_letters("parking", None, 10).await.unwrap();
    assert_eq!(letters.len(), 2);
    assert!(inbox.redrive(&letters[0]).await.unwrap());
    assert!(inbox.discard(&letters[1]).await.unwrap());
    let handled = inbox.process("parking", &ids[0], pay).await;
    assert!(matches!(handled, Ok(Processed::First(_))), "{handled:?}");
    let parked = inbox.process("parking", &ids[1], pay).await;
    assert!(matches!(parked, Ok(Processed::Parked)), "{parked:?}");
    let letter = inbox.dead_letter("parking", &ids[0]).await.unwrap();
    assert!(letter.is_none());
    1
}

fn payment_of(tenant: &str, key: &str) -> Attempt {
    let pay = http::post("/payments").header("authorization", &format!("Bearer {tenant}"));
    pay.key(key).json(&json!({ "amount": 5 }))
}
