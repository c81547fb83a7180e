// The answers of the public contract that pages read: field names are those on the wire.

export interface Category {
  key: string;
  name: string;
  color: string;
  price_minor: number;
}

export interface Offer extends Category {
  fee_minor: number;
  available: number;
}

export interface Offers {
  categories: Offer[];
  currency: string;
  max_seats_per_booking: number;
  sale: SaleState;
  opens_at: string | null;
  closes_at: string | null;
}

export type SaleState = "not_yet" | "open" | "closed" | "sold_out" | "cancelled";

export interface EventOnSale {
  id: string;
  name: string;
  venue: string;
  time_zone: string;
  starts_at: string;
  currency: string;
  categories: Category[];
  max_seats_per_booking: number;
  sale: SaleState;
  plan_hash: string;
  seats: number;
}

export interface SeatLine {
  seat_no: number;
  label: string;
  category: string;
  price_minor: number;
}

export interface Hold {
  id: string;
  token: string;
  exclusive: boolean;
  seats: SeatLine[];
  total_minor: number;
  currency: string;
  expires_at: string;
  server_now: string;
}

export type BookingStatus =
  | "PENDING_PAYMENT"
  | "CANCELLING"
  | "CONFIRMED"
  | "REFUNDING"
  | "REFUND_STUCK"
  | "EXPIRED"
  | "FAILED"
  | "CANCELLED";

export interface BookedSeat extends SeatLine {
  state: "VALID" | "REFUNDING" | "REFUNDED";
}

export interface Amount {
  status: string;
  amount_minor: number;
  currency: string;
}

export interface HistoryStep {
  at: string;
  from: string | null;
  trigger: string;
  to: string;
}

export interface Booking {
  id: string;
  reference: string;
  status: BookingStatus;
  event: { id: string; name: string; starts_at: string };
  seats: BookedSeat[];
  total_minor: number;
  currency: string;
  hold_until: string | null;
  next_action: { type: "redirect" | "retry_payment"; url?: string; expires_at?: string } | null;
  history: HistoryStep[];
  payment: Amount | null;
  refund: Amount | null;
}

export interface Ticket {
  code: string;
  seat: { seat_no: number; label: string; category: string };
  qr_svg: string;
  state: "valid" | "used" | "void";
}

/** RFC 9457 problem document, with the extra members that some codes carry. */
export interface Problem {
  status: number;
  code: string;
  title?: string;
  detail?: string;
  seats?: number[];
  alternatives?: number[];
  booking_id?: string;
  errors?: { path: string; code: string; detail: string }[];
}
