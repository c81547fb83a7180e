// Going on to the provider's page: who has just pressed "Continue to payment" is taken there once, without a click.

const NAME = "leave-for-provider";

/** Remember that the buyer of this booking is on the way to the provider. */
export function leaveForProvider(bookingId: string): void {
  sessionStorage.setItem(NAME, bookingId);
}

/** Whether the buyer of this booking is on the way; asked once, so that coming back does not lead there again. */
export function isLeaving(bookingId: string): boolean {
  if (sessionStorage.getItem(NAME) !== bookingId) return false;
  sessionStorage.removeItem(NAME);
  return true;
}
