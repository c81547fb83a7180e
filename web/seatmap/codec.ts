// Reads the availability snapshot: two big-endian u32 (epoch, seq), then two bits per seat, most significant first.

export const AVAILABLE = 0;
export const HELD = 1;
export const SOLD = 2;
export const BLOCKED = 3;
export type SeatState = 0 | 1 | 2 | 3;

export interface Availability {
  readonly epoch: number;
  readonly seq: number;
  /** One byte per seat, indexed by seat number. */
  readonly states: Uint8Array;
}

const HEADER_BYTES = 8;

/** Unpacks a snapshot for a plan of `seats` seats; throws when the body is too short to hold them. */
export function unpackAvailability(body: ArrayBuffer, seats: number): Availability {
  const packedBytes = Math.ceil(seats / 4);
  if (body.byteLength < HEADER_BYTES + packedBytes) {
    throw new RangeError(`availability of ${seats} seats needs ${HEADER_BYTES + packedBytes} bytes`);
  }
  const header = new DataView(body);
  const packed = new Uint8Array(body, HEADER_BYTES);
  const states = new Uint8Array(seats);
  for (let seat = 0; seat < seats; seat++) {
    states[seat] = ((packed[seat >> 2] as number) >> (6 - 2 * (seat & 3))) & 3;
  }
  return { epoch: header.getUint32(0), seq: header.getUint32(4), states };
}
