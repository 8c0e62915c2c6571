//! The same tests on a Citus cluster, whose tables are distributed by scope.
//!
//! Left out is what its own tables cannot do: `admin::schema` begins without tables, a test of a slow
//! insert needs a trigger, and a sweep waits for rows that others have locked ([`shards`] says so).

// What is not replaced below is Postgres's.
use super::*;

#[path = "../../../faults/mod.rs"]
mod faults;
#[path = "../../../http/mod.rs"]
mod http;
#[path = "../../../inbox/mod.rs"]
mod inbox;
#[path = "../../../rollout/mod.rs"]
mod rollout;
#[path = "../../../support/mod.rs"]
mod support;

#[path = "../../deferred_constraints.rs"]
mod deferred_constraints;
#[path = "../ended_transactions.rs"]
mod ended_transactions;

#[path = "../../servers/clock.rs"]
mod clock;
#[path = "../../servers/costs.rs"]
mod costs;
#[path = "../../servers/inbox_killed.rs"]
mod inbox_killed;
#[path = "../../servers/inbox_lost_commit.rs"]
mod inbox_lost_commit;
#[path = "../../servers/inbox_nodes.rs"]
mod inbox_nodes;
#[path = "../../servers/inbox_parking.rs"]
mod inbox_parking;
#[path = "../../servers/invisible_record.rs"]
mod invisible_record;
#[path = "../../servers/lock_names.rs"]
mod lock_names;
#[path = "../../servers/lost_commit.rs"]
mod lost_commit;
#[path = "../../servers/lost_lock.rs"]
mod lost_lock;
mod merged;
#[path = "../../servers/nodes.rs"]
mod nodes;
#[path = "../../../admin/records.rs"]
mod records;
#[path = "../../servers/rollout_beside.rs"]
mod rollout_beside;
mod shards;
#[path = "../../servers/silent_database.rs"]
mod silent_database;
#[path = "../../servers/standby.rs"]
mod standby;
#[path = "../../../admin/sweeping.rs"]
mod sweeping;

use idem_tests::citus::TestDb;
