//! What a final answer says of the request: whether its outcome is known, and whether it did nothing.

use http::StatusCode;

use super::answer::Answer;

/// Whether a final answer says what became of the request, so that its key is not needed any more.
///
/// `is_open` is whether a try before it had no answer or one that left this open. Then a refusal such as 401 says
/// only that this try did nothing.
pub(super) fn is_settled(answer: &Answer, is_open: bool) -> bool {
    let status = answer.status();
    let is_replay = answer.headers().contains_key("idempotent-replayed")
        || answer.headers().contains_key("idempotency-replayed");
    // A stored 500 says that the request may have taken effect, and nothing more.
    let is_result = is_replay && !status.is_server_error();
    let is_done = status.is_success() || status == StatusCode::SEE_OTHER;
    // Who authenticates, or waits, sends the same request with the same key.
    let is_later = matches!(status.as_u16(), 401 | 403 | 408 | 409 | 425 | 429);
    // A redirection that is not followed says only where to ask.
    let is_refused = status.is_client_error() && !is_later;
    is_done || is_result || (is_refused && !is_open)
}

/// Whether a final answer says that the request has had no effect.
///
/// Who has sent no credentials, or no valid ones, was turned away: the key of a first try is as good as new.
pub(super) fn did_nothing(answer: &Answer, is_open: bool) -> bool {
    let status = answer.status();
    let is_unauthorised = matches!(status.as_u16(), 401 | 403);
    let is_refused = status.is_client_error() && is_settled(answer, is_open);
    is_refused || (is_unauthorised && !is_open)
}

#[cfg(test)]
mod tests {
    use super::super::scripted::answer;
    use super::*;

    #[test]
    fn a_refusal_settles_a_request_only_if_no_earlier_try_is_open() {
        for (status, first, after_an_open_one) in [
            (200, true, true),
            (201, true, true),
            (303, true, true),
            (302, false, false),
            (307, false, false),
            (400, true, false),
            (401, false, false),
            (402, true, false),
            (403, false, false),
            (409, false, false),
            (413, true, false),
            (422, true, false),
            (429, false, false),
            (500, false, false),
            (503, false, false),
        ] {
            let settles = |is_open| is_settled(&answer(status, &[], ""), is_open);
            assert_eq!(
                (settles(false), settles(true)),
                (first, after_an_open_one),
                "{status}"
            );
        }
        // A replay is the result of the first try. That of a 500 is that nobody knows one.
        for (status, settles) in [(402, true), (409, true), (500, false), (503, false)] {
            for mark in ["idempotent-replayed", "idempotency-replayed"] {
                let replay = answer(status, &[(mark, "true")], "");
                for is_open in [false, true] {
                    assert_eq!(is_settled(&replay, is_open), settles, "{status} {mark}");
                }
            }
        }
    }

    #[test]
    fn only_a_refusal_with_no_open_try_before_it_says_that_nothing_was_done() {
        for (status, first, after_an_open_one) in [
            (201, false, false),
            (303, false, false),
            (307, false, false),
            (401, true, false),
            (402, true, false),
            (403, true, false),
            (408, false, false),
            (409, false, false),
            (422, true, false),
            (429, false, false),
            (500, false, false),
        ] {
            let did_nothing = |is_open| did_nothing(&answer(status, &[], ""), is_open);
            let seen = (did_nothing(false), did_nothing(true));
            assert_eq!(seen, (first, after_an_open_one), "{status}");
        }
        // The stored refusal is that of the first try.
        let replay = |status| answer(status, &[("idempotent-replayed", "true")], "");
        assert!(did_nothing(&replay(402), true));
        assert!(!did_nothing(&replay(201), true) && !did_nothing(&replay(500), true));
    }
}
