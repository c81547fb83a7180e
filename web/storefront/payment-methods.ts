// The ways to pay: on Stripe's own page, or with the demo's test cards, each named after what it does.

export type Provider = "simulated" | "stripe";

/** What is asked of Stripe: to be paid on its page, so that no card comes near us. */
export const HOSTED_PAGE = "checkout";

export interface PaymentMethod {
  readonly token: string;
  readonly name: string;
  readonly effect: string;
}

export const USUAL_METHODS: readonly PaymentMethod[] = [
  { token: "pm_card_visa", name: "Visa •••• 4242", effect: "The payment succeeds." },
  {
    token: "pm_card_insufficientFunds",
    name: "Visa •••• 9995",
    effect: "Not enough money: declined, but you can try again with another card.",
  },
  {
    token: "pm_card_chargeDeclined",
    name: "Visa •••• 0002",
    effect: "Declined for good: the booking ends and the seats are free again.",
  },
];

export const UNUSUAL_METHODS: readonly PaymentMethod[] = [
  { token: "pm_sim_slow", name: "Slow bank", effect: "Answers after 30 seconds." },
  { token: "pm_sim_lost_reply", name: "Lost answer", effect: "Charged, but the bank's answer never arrives." },
  { token: "pm_sim_captured_late", name: "Change of mind", effect: "Declined first, charged within a minute." },
  { token: "pm_sim_duplicate_webhook", name: "Echo", effect: "The bank tells everything twice." },
  { token: "pm_sim_never", name: "Silence", effect: "The bank never answers." },
];
