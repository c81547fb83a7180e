// The answers of the public contract that pages read: taken from the OpenAPI document, so that they cannot drift.
import type { components } from "./contract";

type Schemas = components["schemas"];

export type Category = Schemas["Category"];
export type Offers = Schemas["Offers"];
export type EventOnSale = Pick<
  Schemas["EventView"],
  "id" | "name" | "venue" | "time_zone" | "starts_at" | "plan_hash" | "seats"
>;
export type SeatLine = Schemas["Seat"];
export type Hold = Schemas["HoldView"];
export type Booking = Schemas["BookingView"];
export type BookingLine = Schemas["LineView"];
export type CancellationPreview = Schemas["Preview"];
export type Ticket = Schemas["TicketView"];

/** RFC 9457 problem document, with the extra members that some codes carry. */
export interface Problem {
  status: number;
  code: string;
  title?: string;
  detail?: string;
  seats?: number[];
  alternatives?: number[];
  booking_id?: string;
  free_until?: string;
  errors?: { path: string; code: string; detail: string }[];
}
