"""The one exception tree.

ParlourError                 500 internal
├── BadRequest               400 bad_request          the request cannot be read
│   ├── UnknownRequestType   400 unknown_request_type
│   ├── MessageTooLong       413 message_too_long
│   ├── BodyTooLarge         413 body_too_large
│   ├── AttachmentType       415 attachment_type      the bytes are not what they were said to be
│   ├── TooManyAttachments   400 too_many_attachments
│   ├── RequestTimeout       408 request_timeout      the rest of the body did not come
│   ├── NotAcceptable        406 not_acceptable       the Accept header asks for nothing we have
│   └── ArchiveDamaged       400 archive_damaged      raised by parlour archive only
├── Unauthorized             401 unauthorized
├── NotFound                 404 not_found            missing, or somebody else's: never told apart
│   ├── ThreadNotFound       404 thread_not_found
│   ├── ItemNotFound         404 item_not_found
│   ├── AttachmentNotFound   404 attachment_not_found
│   └── TurnNotFound         404 turn_not_found
├── Conflict                 409 conflict             the thread is not in the state this needs
│   ├── ThreadBusy           409 thread_busy
│   ├── ThreadClosed         409 thread_closed
│   ├── DuplicateRequest     409 duplicate_request
│   └── AttachmentTaken      409 attachment_taken     a message has it, or its bytes have arrived
├── Unsupported              422 unsupported          this answerer does not do that
├── Unavailable              503 unavailable
│   ├── StoreUnavailable     503 store_unavailable
│   │   └── SchemaOutdated   503 schema_outdated
│   ├── TurnLogUnavailable   503 turnlog_unavailable
│   ├── ShuttingDown         503 shutting_down        another server, or this one in a moment, will answer
│   └── ModelFailed          502 model_failed
└── ConfigurationError       500 configuration        raised while starting, never while serving
    └── MissingExtra         500 missing_extra        also an ImportError
"""

from __future__ import annotations


class ParlourError(Exception):
    """A failure with a stable code, an HTTP status and the next step for whoever reads it."""

    code = "internal"
    status = 500
    hint = "Look at the server's log for the cause."

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if hint is not None:
            self.hint = hint

    def body(self) -> dict[str, dict[str, str]]:
        """The JSON every edge answers with: ``{"error": {"code", "message", "hint"}}``."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


class BadRequest(ParlourError):
    code = "bad_request"
    status = 400
    hint = "Send a JSON object {type, params} as the ChatKit protocol describes it."


class UnknownRequestType(BadRequest):
    code = "unknown_request_type"


class MessageTooLong(BadRequest):
    code = "message_too_long"
    status = 413
    hint = "Shorten the message, or raise PARLOUR_MAX_MESSAGE_CHARS."


class BodyTooLarge(BadRequest):
    code = "body_too_large"
    status = 413
    hint = "Send less, or raise PARLOUR_MAX_BODY_BYTES."


class RequestTimeout(BadRequest):
    code = "request_timeout"
    status = 408
    hint = "Send the request again, without pauses; PARLOUR_BODY_TIMEOUT says how long one may be."


class NotAcceptable(BadRequest):
    code = "not_acceptable"
    status = 406
    hint = "Send no Accept header, or one of the types that docs/history.md names."


class AttachmentType(BadRequest):
    code = "attachment_type"
    status = 415
    hint = "Send the file as what it is; docs/attachments.md has the rules."


class TooManyAttachments(BadRequest):
    code = "too_many_attachments"
    hint = "Send fewer, or raise PARLOUR_MAX_ATTACHMENTS."


class ArchiveDamaged(BadRequest):
    code = "archive_damaged"
    hint = "Nothing was changed. Take a copy of the file that is whole, from a backup."


class Unauthorized(ParlourError):
    code = "unauthorized"
    status = 401
    hint = "Get a guest token with POST /session and send it as Authorization: Bearer."


class NotFound(ParlourError):
    code = "not_found"
    status = 404
    hint = "It does not exist, or it belongs to somebody else."


class ThreadNotFound(NotFound):
    code = "thread_not_found"


class ItemNotFound(NotFound):
    code = "item_not_found"


class AttachmentNotFound(NotFound):
    code = "attachment_not_found"
    hint = "Upload the file first; an attachment belongs to whoever uploaded it."


class TurnNotFound(NotFound):
    code = "turn_not_found"
    hint = "The answer has ended; load the thread to read it."


class Conflict(ParlourError):
    code = "conflict"
    status = 409
    hint = "Load the thread again and look at its last item."


class ThreadBusy(Conflict):
    code = "thread_busy"
    hint = "Wait for the running answer to end, or stop it."


class ThreadClosed(Conflict):
    code = "thread_closed"
    hint = "This conversation takes no more messages; start a new one."


class DuplicateRequest(Conflict):
    """The turn of an Idempotency-Key has ended; ``thread_id`` is where its answer stands."""

    code = "duplicate_request"
    hint = "This Idempotency-Key was used before and its turn has ended; load the thread."

    def __init__(self, message: str, *, thread_id: str) -> None:
        super().__init__(message)
        self.thread_id = thread_id

    def body(self) -> dict[str, dict[str, str]]:
        body = super().body()
        body["error"]["thread_id"] = self.thread_id
        return body


class AttachmentTaken(Conflict):
    code = "attachment_taken"
    hint = "Upload the file again, as a new attachment."


class Unsupported(ParlourError):
    code = "unsupported"
    status = 422
    hint = "Choose an answerer that offers it."


class Unavailable(ParlourError):
    code = "unavailable"
    status = 503


class StoreUnavailable(Unavailable):
    code = "store_unavailable"
    hint = "Check DATABASE_URL and that the database runs; GET /health says more."


class SchemaOutdated(StoreUnavailable):
    code = "schema_outdated"
    hint = "Run parlour db upgrade, then start the server again."


class TurnLogUnavailable(Unavailable):
    code = "turnlog_unavailable"
    hint = "Check REDIS_URL and that Redis runs; GET /health says more."


class ShuttingDown(Unavailable):
    code = "shutting_down"
    hint = "Send the request again."


class ModelFailed(Unavailable):
    """The language model could not answer; ``retryable`` says whether asking again may help."""

    code = "model_failed"
    status = 502
    hint = "Check OPENAI_BASE_URL, OPENAI_API_KEY and PARLOUR_MODEL."

    def __init__(self, message: str, *, hint: str | None = None, retryable: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class ConfigurationError(ParlourError):
    code = "configuration"
    hint = "See docs/settings.md."


class MissingExtra(ConfigurationError, ImportError):
    """An optional package is not installed; the hint is the exact command that installs it."""

    code = "missing_extra"
    hint = "Run the pip install command it names."

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs a package that is not installed.",
            hint=f"pip install 'parlour[{extra}]'",
        )
