// Asks the API. Every question has a deadline, and every answer that is not one becomes an `ApiError` with words
// that can be shown.

/** Longer than the leader may take for a read; then we say that nobody answers. */
const DEADLINE_MS = 10_000;

export class ApiError extends Error {
  override readonly name = "ApiError";
  /** What came with the words; `null` = nothing. */
  readonly details: unknown;

  constructor(message: string, details: unknown = null) {
    super(message);
    this.details = details;
  }
}

/** What the API said: the bare answer, or an envelope's details. */
export type Get = <T>(route: readonly string[], signal?: AbortSignal) => Promise<T>;

/** A client of the API at `root`, which ends with a slash. */
export function client(root: URL, fetcher: typeof fetch = fetch): Get {
  return async <T>(route: readonly string[], signal?: AbortSignal): Promise<T> => {
    const url = new URL(route.map(encodeURIComponent).join("/"), root);
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    const signals = signal === undefined ? [deadline] : [deadline, signal];
    let response: Response;
    let text: string;
    try {
      response = await fetcher(url, { cache: "no-store", signal: either(signals) });
      text = await response.text();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError(
        deadline.aborted ? `no answer within ${DEADLINE_MS / 1000} s` : "the node cannot be reached",
      );
    }
    return understand<T>(response.status, text);
  };
}

/** `AbortSignal.any` is younger than some browsers in use. */
function either(signals: AbortSignal[]): AbortSignal {
  const both = new AbortController();
  for (const signal of signals) {
    if (signal.aborted) both.abort();
    signal.addEventListener("abort", () => both.abort(), { once: true });
  }
  return both.signal;
}

/** What an answer means. */
export function understand<T>(status: number, text: string): T {
  if (status === 502) throw new ApiError("the leader does not answer this node (502)");
  if (status === 401) throw new ApiError("not authorized (401): please sign in again");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiError(`an answer that is no JSON (${status})`);
  }
  if (isEnvelope(value)) {
    if (value.Code === "OK") return value.Details as T;
    throw new ApiError(value.Message || `an error without words (${status})`, value.Details);
  }
  if (status >= 400) throw new ApiError(`an error without words (${status})`);
  return value as T;
}

function isEnvelope(value: unknown): value is { Code: string; Message: string; Details: unknown } {
  return (
    typeof value === "object" && value !== null && "Code" in value && "Message" in value && "Details" in value
  );
}

/** The words of whatever was thrown. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
