//! The protection that one writes by hand: the key, the effect and the response in one transaction.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use idem_axum::REPLAYED;
use sha2::{Digest, Sha256};
use sqlx::{Pool, Transaction};

use super::slow::insert_slowly;
use super::{BEGIN, Db, FIND_KEY, Failed, INSERT_KEY, STORE_ANSWER, insert};

pub(super) fn routes(pool: Pool<Db>) -> Router {
    Router::new()
        .route("/payments", post(pay))
        .route("/slow", post(pay_slowly))
        .with_state(pool)
}

async fn pay(
    State(pool): State<Pool<Db>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failed> {
    protected(&pool, &headers, &body, false).await
}

async fn pay_slowly(
    State(pool): State<Pool<Db>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failed> {
    protected(&pool, &headers, &body, true).await
}

/// The insert of the key comes first: it waits for another request with the same key, and inserts no row if that
/// one has committed.
async fn protected(
    pool: &Pool<Db>,
    headers: &HeaderMap,
    body: &[u8],
    is_slow: bool,
) -> Result<Response, Failed> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(StatusCode::BAD_REQUEST.into_response());
    };
    let key = key.to_str()?;
    let fingerprint = Sha256::digest(body).to_vec();
    let mut tx = pool.begin_with(BEGIN).await?;
    let inserted = sqlx::query(INSERT_KEY)
        .bind(SCOPE)
        .bind(key)
        .bind(&fingerprint)
        .execute(&mut *tx)
        .await?;
    if inserted.rows_affected() == 0 {
        return replay(tx, key, &fingerprint).await;
    }
    let new = serde_json::from_slice(body)?;
    let payment = match is_slow {
        true => insert_slowly(&mut tx, new).await?,
        false => insert(&mut tx, new).await?,
    };
    let answer = serde_json::to_vec(&payment)?;
    let headers = [(header::CONTENT_TYPE.as_str(), "application/json")];
    sqlx::query(STORE_ANSWER)
        .bind(201_i16)
        .bind(serde_json::to_vec(&headers)?)
        .bind(&answer)
        .bind(SCOPE)
        .bind(key)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

/// The transaction is rolled back when it is dropped, and the response does not wait for that.
async fn replay(
    mut tx: Transaction<'_, Db>,
    key: &str,
    fingerprint: &[u8],
) -> Result<Response, Failed> {
    let stored = sqlx::query_as(FIND_KEY)
        .bind(SCOPE)
        .bind(key)
        .fetch_one(&mut *tx);
    let (stored, status, headers, body): Stored = stored.await?;
    if stored != fingerprint {
        return Ok(StatusCode::UNPROCESSABLE_ENTITY.into_response());
    }
    let mut response = (StatusCode::from_u16(status.unsigned_abs())?, body).into_response();
    let headers: Vec<(String, String)> = serde_json::from_slice(&headers)?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name)?;
        response
            .headers_mut()
            .insert(name, HeaderValue::try_from(value)?);
    }
    let replayed = HeaderValue::from_static("true");
    response.headers_mut().insert(REPLAYED, replayed);
    Ok(response)
}

/// Fingerprint, status, headers and body.
type Stored = (Vec<u8>, i16, Vec<u8>, Vec<u8>);

const SCOPE: &str = "global";
