/** A failure with the server's stable code and, where there is one, the next step. */
export class ChatError extends Error {
  override readonly name = "ChatError";
  readonly code: string;
  /** The HTTP status; 0 when there was no answer at all. */
  readonly status: number;
  readonly hint: string | null;
  /** True when the message is the server's own, written to be shown. */
  readonly told: boolean;

  constructor(
    code: string,
    message: string,
    more: { status?: number; hint?: string | null; told?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: more.cause });
    this.code = code;
    this.status = more.status ?? 0;
    this.hint = more.hint ?? null;
    this.told = more.told ?? false;
  }

  /** The error an HTTP answer outside 2xx stands for: ours, or any other server's. */
  static async from(response: Response): Promise<ChatError> {
    const { status } = response;
    const body = parse(await response.text().catch(() => ""));
    if (isRecord(body) && isRecord(body.error) && typeof body.error.code === "string") {
      const { code, message, hint } = body.error;
      const text = typeof message === "string" ? message : code;
      return new ChatError(code, text, { status, hint: string(hint), told: true });
    }
    return new ChatError(`http_${status}`, `The chat server answered with status ${status}.`, { status });
  }

  static network(cause: unknown): ChatError {
    return new ChatError("network", "The chat server could not be reached.", { cause });
  }

  /** Whatever was thrown, as a ChatError. */
  static of(thrown: unknown): ChatError {
    if (thrown instanceof ChatError) return thrown;
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new ChatError("unexpected", message, { cause: thrown });
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function string(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
