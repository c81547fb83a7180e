// Money is an integer in the currency's minor unit; how many digits that has is the currency's own affair.

export function formatMoney(minor: number, currency: string, locale = "en"): string {
  if (minor === 0) return "Free";
  return formatAmount(minor, currency, locale);
}

/** Like formatMoney, but zero stays a number: for totals and refunds. */
export function formatAmount(minor: number, currency: string, locale = "en"): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
  return format.format(minor / 10 ** digits);
}
