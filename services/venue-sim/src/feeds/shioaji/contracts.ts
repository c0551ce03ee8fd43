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

/** Names that follow the nearest contracts; they want the contract they stand for. */
export const CONTINUOUS: Readonly<Record<string, string>> = {
  TXFR1: "TXFL6",
  TXFR2: "TXFL6",
  MXFR1: "MXFL6",
  MXFR2: "MXFL6",
};
