//! The statements of this build: MySQL writes `?` for `$1`, and its inserts return no row.

#[cfg(all(feature = "mysql", not(feature = "postgres")))]
pub(crate) use mysql::*;
#[cfg(not(all(feature = "mysql", not(feature = "postgres"))))]
pub(crate) use returning::*;

/// The database's clock, in milliseconds since 1970.
#[cfg(feature = "postgres")]
pub(crate) const NOW: &str = "cast(extract(epoch from now()) * 1000 as bigint)";

/// The database's clock, in milliseconds since 1970.
#[cfg(all(feature = "mysql", not(feature = "postgres")))]
pub(crate) const NOW: &str =
    "(timestampdiff(microsecond, '1970-01-01', utc_timestamp(3)) div 1000)";

/// The database's clock, in milliseconds since 1970.
#[cfg(not(any(feature = "postgres", feature = "mysql")))]
pub(crate) const NOW: &str = "cast(unixepoch('subsec') * 1000 as integer)";

#[cfg(not(all(feature = "mysql", not(feature = "postgres"))))]
mod returning {
    use sqlx::QueryBuilder;

    use crate::database::{Connection, Db};
    use crate::payments::{NewPayment, Payment};
    use crate::refunds::Refund;

    /// Bind the tenant, the reference or none, and how many.
    pub(crate) const PAYMENTS: &str = "select id, tenant, amount, currency, reference, status, created_at from payment \
         where tenant = $1 and ($2 is null or reference = $2) order by id desc limit $3";

    /// Bind the tenant and the id.
    pub(crate) const PAYMENT: &str = "select id, tenant, amount, currency, reference, status, created_at from payment \
         where tenant = $1 and id = $2";

    /// Bind the tenant and the id.
    pub(crate) const CURRENCY: &str = "select currency from payment where tenant = $1 and id = $2";

    /// Bind the amount, the payment and the amount again.
    pub(crate) const COUNT_REFUND: &str =
        "update payment set refunded = refunded + $1 where id = $2 and refunded + $3 <= amount";

    /// Ends the values of a stock that may be there: then what follows is set.
    pub(crate) const OR_SET_STOCK: &str = ") on conflict (tenant, sku) do update set ";

    /// Inserts one row, and returns its id.
    pub(crate) async fn insert(
        conn: &mut Connection,
        mut row: QueryBuilder<Db>,
    ) -> sqlx::Result<i64> {
        row.push(" returning id")
            .build_query_scalar()
            .fetch_one(conn)
            .await
    }

    pub(crate) async fn insert_payment(
        conn: &mut Connection,
        tenant: &str,
        new: &NewPayment,
    ) -> sqlx::Result<Payment> {
        sqlx::query_as(
            "insert into payment (tenant, amount, currency, reference, status) \
             values ($1, $2, $3, $4, 'captured') \
             returning id, tenant, amount, currency, reference, status, created_at",
        )
        .bind(tenant)
        .bind(new.amount)
        .bind(&new.currency)
        .bind(&new.reference)
        .fetch_one(conn)
        .await
    }

    pub(crate) async fn insert_refund(
        conn: &mut Connection,
        payment: i64,
        amount: i64,
    ) -> sqlx::Result<Refund> {
        sqlx::query_as(
            "insert into refund (payment_id, amount) values ($1, $2) \
             returning id, payment_id, amount, created_at",
        )
        .bind(payment)
        .bind(amount)
        .fetch_one(conn)
        .await
    }
}

#[cfg(all(feature = "mysql", not(feature = "postgres")))]
mod mysql {
    use sqlx::QueryBuilder;

    use crate::database::{Connection, Db};
    use crate::payments::{NewPayment, Payment};
    use crate::refunds::Refund;

    /// Bind the tenant, the reference or none, and how many.
    pub(crate) const PAYMENTS: &str = "select id, tenant, amount, currency, reference, status, created_at from payment \
         where tenant = ? and reference <=> coalesce(?, reference) order by id desc limit ?";

    /// Bind the tenant and the id.
    pub(crate) const PAYMENT: &str = "select id, tenant, amount, currency, reference, status, created_at from payment \
         where tenant = ? and id = ?";

    /// Bind the tenant and the id.
    pub(crate) const CURRENCY: &str = "select currency from payment where tenant = ? and id = ?";

    /// Bind the amount, the payment and the amount again.
    pub(crate) const COUNT_REFUND: &str =
        "update payment set refunded = refunded + ? where id = ? and refunded + ? <= amount";

    /// Ends the values of a stock that may be there: then what follows is set.
    pub(crate) const OR_SET_STOCK: &str = ") on duplicate key update ";

    /// Inserts one row, and returns its id.
    pub(crate) async fn insert(
        conn: &mut Connection,
        mut row: QueryBuilder<Db>,
    ) -> sqlx::Result<i64> {
        let id = row.build().execute(conn).await?.last_insert_id();
        id.try_into()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }

    pub(crate) async fn insert_payment(
        conn: &mut Connection,
        tenant: &str,
        new: &NewPayment,
    ) -> sqlx::Result<Payment> {
        sqlx::query(
            "insert into payment (tenant, amount, currency, reference, status) \
             values (?, ?, ?, ?, 'captured')",
        )
        .bind(tenant)
        .bind(new.amount)
        .bind(&new.currency)
        .bind(&new.reference)
        .execute(&mut *conn)
        .await?;
        sqlx::query_as(
            "select id, tenant, amount, currency, reference, status, created_at from payment \
             where id = last_insert_id()",
        )
        .fetch_one(conn)
        .await
    }

    pub(crate) async fn insert_refund(
        conn: &mut Connection,
        payment: i64,
        amount: i64,
    ) -> sqlx::Result<Refund> {
        sqlx::query("insert into refund (payment_id, amount) values (?, ?)")
            .bind(payment)
            .bind(amount)
            .execute(&mut *conn)
            .await?;
        sqlx::query_as(
            "select id, payment_id, amount, created_at from refund where id = last_insert_id()",
        )
        .fetch_one(conn)
        .await
    }
}
