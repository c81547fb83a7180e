// Choosing how to pay; every method says what it will do, because this is a demonstration and no money moves.
import { type PaymentMethod, UNUSUAL_METHODS, USUAL_METHODS } from "./payment-methods";

interface PaymentChoiceProps {
  value: string;
  onChange: (token: string) => void;
  error?: string | undefined;
}

export function PaymentChoice({ value, onChange, error }: PaymentChoiceProps) {
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
