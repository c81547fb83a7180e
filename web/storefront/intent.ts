// One Idempotency-Key per intent: the same wish sent again carries the same key, a changed wish a new one.

interface StoredIntent {
  body: string;
  key: string;
}

export function intentKey(name: string, body: unknown, storage: Storage = sessionStorage): string {
  const text = JSON.stringify(body);
  const stored = readIntent(storage.getItem(`intent:${name}`));
  if (stored?.body === text) return stored.key;
  const key = crypto.randomUUID();
  storage.setItem(`intent:${name}`, JSON.stringify({ body: text, key } satisfies StoredIntent));
  return key;
}

export function forgetIntent(name: string, storage: Storage = sessionStorage): void {
  storage.removeItem(`intent:${name}`);
}

function readIntent(text: string | null): StoredIntent | null {
  return text ? (JSON.parse(text) as StoredIntent) : null;
}
