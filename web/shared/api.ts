// One door to the HTTP API: JSON in and out, problems as values, and one silent renewal of an expired session.
import type { Problem } from "./types";

export type Answer<T> = { ok: true; value: T; status: number } | { ok: false; problem: Problem; retryAfter: number };

const OFFLINE: Problem = { status: 0, code: "offline" };
const DEADLINE_MS = 20_000;

export interface Request {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  idempotencyKey?: string;
  /** For how long the server may wait for news before it answers. */
  waitSeconds?: number;
  signal?: AbortSignal;
}

export async function call<T>(path: string, request: Request = {}): Promise<Answer<T>> {
  const first = await send<T>(path, request);
  if (first.ok || first.problem.status !== 401) return first;
  return (await renewSession()) ? send<T>(path, request) : first;
}

/** Bytes with a validator: null when nothing changed since `etag`. */
export async function fetchBytes(
  path: string,
  etag: string | null,
): Promise<Answer<{ etag: string | null; body: ArrayBuffer } | null>> {
  const headers: Record<string, string> = { Accept: "application/octet-stream" };
  if (etag) headers["If-None-Match"] = etag;
  try {
    const response = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(DEADLINE_MS) });
    if (response.status === 304) return { ok: true, value: null, status: 304 };
    if (!response.ok) return refusal(response);
    const body = await response.arrayBuffer();
    return { ok: true, value: { etag: response.headers.get("ETag"), body }, status: response.status };
  } catch {
    return { ok: false, problem: OFFLINE, retryAfter: 0 };
  }
}

async function send<T>(path: string, request: Request): Promise<Answer<T>> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (request.body !== undefined) headers["Content-Type"] = "application/json";
  if (request.idempotencyKey) headers["Idempotency-Key"] = request.idempotencyKey;
  if (request.waitSeconds) headers.Prefer = `wait=${request.waitSeconds}`;
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  try {
    const response = await fetch(path, {
      method: request.method ?? "GET",
      headers,
      body: request.body === undefined ? null : JSON.stringify(request.body),
      signal: request.signal ? AbortSignal.any([deadline, request.signal]) : deadline,
    });
    if (!response.ok) return refusal(response);
    const value = response.status === 204 ? undefined : await response.json();
    return { ok: true, value: value as T, status: response.status };
  } catch {
    return { ok: false, problem: OFFLINE, retryAfter: 0 };
  }
}

async function refusal(response: Response): Promise<{ ok: false; problem: Problem; retryAfter: number }> {
  const document = (await response.json().catch(() => ({}))) as Partial<Problem>;
  const problem: Problem = { ...document, status: response.status, code: document.code ?? `http_${response.status}` };
  return { ok: false, problem, retryAfter: Number(response.headers.get("Retry-After") ?? 0) || 0 };
}

async function renewSession(): Promise<boolean> {
  try {
    return (await fetch("/session", { method: "POST" })).ok;
  } catch {
    return false;
  }
}
