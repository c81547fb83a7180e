// How to pay: on Stripe's page there is nothing to choose here; a test card says what it will do, for no money moves.
import { type PaymentMethod, type Provider, UNUSUAL_METHODS, USUAL_METHODS } from "./payment-methods";

interface PaymentChoiceProps {
  provider: Provider;
  value: string;
  onChange: (token: string) => void;
  error?: string | undefined;
}

export function PaymentChoice({ provider, value, onChange, error }: PaymentChoiceProps) {
  if (provider === "stripe") return <HostedPage error={error} />;
  const option = (method: PaymentMethod) => (
    <label key={method.token} class="choice">
      <input
        type="radio"
        name="payment_method"
        value={method.token}
        checked={value === method.token}
        onChange={() => onChange(method.token)}
      />
      <span>
        <strong>{method.name}</strong>
        <span>{method.effect}</span>
      </span>
    </label>
  );
  return (
    <fieldset class="choices" aria-describedby="payment-hint">
      <legend>Payment</legend>
      <p class="hint" id="payment-hint">
        This is a demonstration: these are test cards and no money moves.
      </p>
      {USUAL_METHODS.map(option)}
      <details open={UNUSUAL_METHODS.some((method) => method.token === value)}>
        <summary>More test cards: when banks behave oddly</summary>
        {UNUSUAL_METHODS.map(option)}
      </details>
      {error && <p class="field-error">{error}</p>}
    </fieldset>
  );
}

function HostedPage({ error }: { error?: string | undefined }) {
  return (
    <section class="panel" aria-labelledby="payment">
      <h2 id="payment">Payment</h2>
      <p class="hint">
        You pay on the next page, which is Stripe’s: card, wallet or bank. We never see your card. Your seats are kept
        meanwhile.
      </p>
      {error && <p class="field-error">{error}</p>}
    </section>
  );
}
