/**
 * Battery bank #1 of AN2018-001; other banks repeat it. The source names neither unit nor scale: both are assumed, from
 * the ranges and from the points of the whole system.
 * One point a line: index | IEC 61850 name | unit | scale | values: + never below 0, - never above 0, ± both | event
 * class (1 alarms, 2 settings and states, 3 nameplate and measured) | meaning.
 * @source epri-dev/der-dnp3-an2018 DERAppNoteDefinition.h [S]
 */
export const BANK_ANALOG_INPUTS = `
955 | - | list | 1 | + | 2 | Battery Bank #1 Type of Storage
956 | - | Wh or Ah | 1 | + | 2 | Battery Bank #1 Nameplate Actual Capacity Rating
957 | - | Wh or Ah | 1 | + | 2 | Battery Bank #1 Effective Capacity
958 | - | % | 0.1 | + | 2 | Battery Bank #1 Minimum Reserve for Storage
959 | - | % | 0.1 | + | 2 | Battery Bank #1 Maximum Reserve for Storage
960 | - | list | 1 | + | 2 | Battery Bank #1 Battery State
961 | - | % | 0.1 | + | 3 | Battery Bank #1 Actual State of Charge
962 | - | % | 0.1 | + | 1 | Battery Bank #1 State of Health
963 | - | V | 0.1 | + | 3 | Battery Bank #1 External Battery Voltage
964 | - | V | 0.1 | + | 3 | Battery Bank #1 Internal Battery Voltage
965 | - | A | 0.1 | ± | 1 | Battery Bank #1 Current
966 | - | W | 1 | ± | 1 | Battery Bank #1 Power
967 | - | V | 0.001 | + | 1 | Battery Bank #1 Minimum Cell Voltage
968 | - | V | 0.001 | + | 1 | Battery Bank #1 Maximum Cell Voltage
969 | - | °C | 1 | ± | 1 | Battery Bank #1 Minimum Temperature
970 | - | °C | 1 | ± | 1 | Battery Bank #1 Maximum Temperature
971 | - | °C | 1 | ± | 1 | Battery Bank #1 External Ambient Temperature
972 | - | °C | 1 | ± | 1 | Battery Bank #1 Internal Ambient Temperature
973 | - | A | 0.1 | - | 1 | Battery Bank #1 Charge Current Limit
974 | - | A | 0.1 | + | 1 | Battery Bank #1 Discharge Current Limit
975 | - | V | 0.1 | + | 1 | Battery Bank #1 Minimum Voltage Limit
976 | - | V | 0.1 | + | 1 | Battery Bank #1 Maximum Voltage Limit
977 | - |  | 1 | + | 1 | Battery Bank #1 Connected String Count
978 | - | V | 0.1 | + | 2 | Battery Bank #1 External Voltage - High Threshold
979 | - | V | 0.1 | + | 2 | Battery Bank #1 External Voltage - Low Threshold
980 | - | V | 0.1 | + | 2 | Battery Bank #1 Internal Voltage - High Threshold
981 | - | V | 0.1 | + | 2 | Battery Bank #1 Internal Voltage - Low Threshold
`;

export const BANK_BINARY_INPUTS = `
221 | - |  | 1 |   | 3 | Battery Bank #1 Status of Storage
222 | - |  | 1 |   | 1 | Battery Bank #1 Communication Error
223 | - |  | 1 |   | 1 | Battery Bank #1 Is In Local Control Mode
224 | - |  | 1 |   | 1 | Battery Bank #1 Is DC Contactor Closed
225 | - |  | 1 |   | 1 | Battery Bank #1 Is Charging
226 | - |  | 1 |   | 1 | Battery Bank #1 Is Discharging
247 | - |  | 1 |   | 1 | Battery Bank #1 Over State of Charge Maximum Alarm
248 | - |  | 1 |   | 1 | Battery Bank #1 Under State of Charge Minimum Alarm
249 | - |  | 1 |   | 1 | Battery Bank #1 Over State of Charge Maximum Warning
250 | - |  | 1 |   | 1 | Battery Bank #1 Under State of Charge Minimum Warning
251 | - |  | 1 |   | 1 | Battery Bank #1 Contactor Failure
259 | - |  | 1 |   | 1 | Battery Bank #1 Fire Alarm
`;
