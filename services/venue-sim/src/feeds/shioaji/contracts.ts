/** The contracts the daemon knows, with the step of their prices. */

export interface Contract {
  readonly securityType: "STK" | "FUT";
  readonly exchange: "TSE" | "OTC" | "TAIFEX";
  readonly code: string;
  readonly name: string;
  /** Prices are multiples of `step` units of 10^-pxScale. */
  readonly pxScale: number;
  readonly step: number;
  /** Where the generated market begins, in steps. */
  readonly startSteps: number;
}

export const CONTRACTS: readonly Contract[] = [
  {
    securityType: "STK",
    exchange: "TSE",
    code: "2330",
    name: "台積電",
    pxScale: 2,
    step: 500,
    startSteps: 400,
  },
  {
    securityType: "STK",
    exchange: "TSE",
    code: "2890",
    name: "永豐金",
    pxScale: 2,
    step: 5,
    startSteps: 597,
  },
  {
    securityType: "STK",
    exchange: "OTC",
    code: "6488",
    name: "環球晶",
    pxScale: 2,
    step: 50,
    startSteps: 900,
  },
  {
    securityType: "FUT",
    exchange: "TAIFEX",
    code: "TXFL6",
    name: "臺股期貨12",
    pxScale: 0,
    step: 1,
    startSteps: 40_600,
  },
  {
    securityType: "FUT",
    exchange: "TAIFEX",
    code: "MXFL6",
    name: "小型臺指12",
    pxScale: 0,
    step: 1,
    startSteps: 40_610,
  },
];

/**
 * A contract as the daemon answers it: every key always there, empty ones as "" and 0, decimals as JSON numbers. The limits of a
 * day are left at 0, as it does for what has none: the market here knows none.
 *
 * Source: the vendor's documentation of `/api/v1/data/contracts`
 */
export function listed(contract: Contract): Readonly<Record<string, string | number>> {
  const { securityType, exchange, code, name, pxScale, step, startSteps } = contract;
  const stock = securityType === "STK";
  return {
    security_type: securityType,
    exchange,
    code,
    symbol: stock ? `${exchange}${code}` : code,
    name,
    category: stock ? "" : code.slice(0, 3),
    currency: "TWD",
    delivery_month: stock ? "" : DELIVERY_DATE.slice(0, 7).replace("/", ""),
    delivery_date: stock ? "" : DELIVERY_DATE,
    strike_price: 0,
    option_right: "",
    underlying_kind: stock ? "" : "I",
    underlying_code: "",
    unit: stock ? 1_000 : 1,
    multiplier: 0,
    limit_up: 0,
    limit_down: 0,
    reference: (startSteps * step) / 10 ** pxScale,
    update_date: UPDATE_DATE,
    margin_trading_balance: 0,
    short_selling_balance: 0,
    day_trade: stock ? "Yes" : "",
    target_code: "",
  };
}
/** Of the futures here; far away, so that they are alive on any day. */
const DELIVERY_DATE = "2099/12/16";
const UPDATE_DATE = "2026/05/15";

/** Names that follow the nearest contracts; they want the contract they stand for. */
export const CONTINUOUS: Readonly<Record<string, string>> = {
  TXFR1: "TXFL6",
  TXFR2: "TXFL6",
  MXFR1: "MXFL6",
  MXFR2: "MXFL6",
};
