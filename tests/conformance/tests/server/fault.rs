//! What a server can do wrong.

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Each request runs.
    IgnoresKeys,
    /// A refusal and a failure are replayed.
    StoresErrors,
    /// A key belongs to everybody.
    ReplaysAcrossTenants,
    /// A key is enough to read a stored response.
    ReplaysWithoutCredentials,
    /// Another payload gets the stored response.
    ReplaysReusedKeys,
    /// The cookie of the first caller is stored.
    ReplaysCookies,
    /// A replay looks like a first response.
    MarksNothing,
    /// A client can mark its own request.
    TrustsMarks,
    /// Only 250 characters of a key count.
    CutsKeys,
    /// A key is whatever the header says.
    TakesAnyKey,
    /// A second line is not looked at.
    TakesTheFirstOfTwo,
    /// The refusal of a key shows it.
    EchoesKeys,
    /// A client that hangs up frees its key, and the payment stays.
    LosesHangUps,
    /// A 409 does not say when to come back.
    ForgetsRetryAfter,
    /// Nobody can read how it treats keys.
    PublishesNothing,
    /// Nothing in a success tells it from another one.
    AnswersNothing,
    /// A key in quotes is refused.
    RefusesStrings,
}
