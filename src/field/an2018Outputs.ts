/**
 * Outputs of DNP3 Application Note AN2018-001 that a battery site uses. They have no event class in the list.
 * One point a line: index | IEC 61850 name | unit | scale | values: + never below 0, - never above 0, ± both | event
 * class (1 alarms, 2 settings and states, 3 nameplate and measured) | meaning.
 * @source VOLTTRON services/core/DNP3Agent/dnp3/mesa_points.config @releases/8.2 [S]; classes: epri-dev/der-dnp3-an2018
 *         DERAppNoteDefinition.h [S]
 */
export const ANALOG_OUTPUTS = `
0 | DECP.VRef.AO0 | V | 0.1 | + |  | Reference Voltage
2 | DECP.EcpNomHz.AO2 | Hz | 0.001 | + |  | Nominal Grid Frequency
82 | DWMX.ModPrio.AO82 |  | 1 | + |  | Active Power Limit Mode Priority
83 | DWMX.WinTms.AO83 | s | 1 | + |  | Active Power Limit Enabling Time Window
84 | DWMX.RmpTms.AO84 | s | 1 | + |  | Active Power Limit Enabling Ramp Time
85 | DWMX.RvrtTms.AO85 | s | 1 | + |  | Active Power Limit Reversion Timeout Period
86 | DWMX.EcpRef.AO86 |  | 1 | + |  | Active Power Limit Signal Meter ID
87 | DWMX.WLimPct.AO87 | % | 0.1 | + |  | Active Power Limit Charge Setpoint
88 | DWMN.WLimPct.AO88 | % | 0.1 | + |  | Active Power Limit Discharge Setpoint
89 | DWGC.ModPrio.AO89 |  | 1 | + |  | Charge/Discharge Mode Priority
90 | DWGC.WinTms.AO90 | s | 1 | + |  | Charge/Discharge Enabling Time Window
91 | DWGC.RmpTms.AO91 | s | 1 | + |  | Charge/Discharge Enabling Ramp Time
92 | DWGC.RvrtTms.AO92 | s | 1 | + |  | Charge/Discharge Reversion Timeout Period
93 | DWGC.GnWPctSpt.AO93 | % | 0.1 | ± |  | Charge/Discharge Active Power Target
94 | DWGC.OpnLoop.AO94 | s | 1 | + |  | Charge/Discharge Ramp Up Time Constant
95 | DWGC.OpnLoop.AO95 | s | 1 | + |  | Charge/Discharge Ramp Down Time Constant
96 | DWGC.DschRpuRte.AO96 | %/s | 0.1 | + |  | Charge/Discharge Discharge Ramp Up Rate
97 | DWGC.DschRpdRte.AO97 | %/s | 0.1 | + |  | Charge/Discharge Discharge Ramp Down Rate
98 | DWGC.ChaRpuRte.AO98 | %/s | 0.1 | + |  | Charge/Discharge Charge Ramp Up Rate
99 | DWGC.ChaRpdRte.AO99 | %/s | 0.1 | + |  | Charge/Discharge Charge Ramp Down Rate
100 | DWGC.SocUseMinPct.AO100 | % | 0.1 | ± |  | Charge/Discharge Minimum Reserve for Storage
101 | DWGC.SocUseMaxPct.AO101 | % | 0.1 | ± |  | Charge/Discharge Maximum Reserve for Storage
102 | DTCD.ModPrio.AO102 |  | 1 | + |  | Coordinated Charge/Discharge Mode Priority
103 | DTCD.WinTms.AO103 | s | 1 | + |  | Coordinated Charge/Discharge Enabling Time Window
104 | DTCD.RmpTms.AO104 | s | 1 | + |  | Coordinated Charge/Discharge Enabling Ramp Time
105 | DTCD.RvrtTms.AO105 | s | 1 | + |  | Coordinated Charge/Discharge Reversion Timeout Period
106 | DTCD.SocUseTgtPct.AO106 | % | 0.1 | + |  | Coordinated Charge/Discharge Target State of Charge
107 | DTCD.DateTgt.AO107 | d | 1 | + |  | Coordinated Charge/Discharge Target Date
108 | DTCD.DateTgtTms.AO108 | ms | 1 | + |  | Coordinated Charge/Discharge Target Time
109 | DTCD.SocWReq.AO109 | Wh | 1 | + |  | Coordinated Charge/Discharge Energy Request
142 | DAGC.ModPrio.AO142 |  | 1 | + |  | AGC Mode Priority
143 | DAGC.WinTms.AO143 | s | 1 | + |  | AGC Enabling Time Window
144 | DAGC.RmpTms.AO144 | s | 1 | + |  | AGC Enabling Ramp Time
145 | DAGC.RvrtTms.AO145 | s | 1 | + |  | AGC Reversion Timeout Period
146 | DAGC.GnWSpt.AO146 | W | 1 | ± |  | AGC Active Power Target
147 | DAGC.OpnLoop.AO147 | s | 1 | + |  | AGC Ramp Time Constant Up Time
148 | DAGC.OpnLoop.AO148 | s | 1 | + |  | AGC Ramp Time Constant Down Time
149 | DAGC.DschRpuRte.AO149 | %/s | 0.1 | + |  | AGC Discharge Ramp Up Rate
150 | DAGC.DschRpdRte.AO150 | %/s | 0.1 | + |  | AGC Discharge Ramp Down Rate
151 | DAGC.ChaRpuRte.AO151 | %/s | 0.1 | + |  | AGC Charge Ramp Up Rate
152 | DAGC.ChaRpdRte.AO152 | %/s | 0.1 | + |  | AGC Charge Ramp Down Rate
153 | DAGC.SocUseMinPct.AO153 | % | 0.1 | + |  | AGC Minimum Usable SOC
154 | DAGC.SocUseMaxPct.AO154 | % | 0.1 | + |  | AGC Maximum Usable SOC
`;

export const BINARY_OUTPUTS = `
0 | DSTO.DEROpSt.disconnectedandblocked.BO0 |  | 1 |   |  | System Set Lockout State
1 | DCTE.RtnSrvReq.BO1 |  | 1 |   |  | System Initiate Start-up Sequence (Return to Service)
2 | DCTE.CeaEngzReq.BO2 |  | 1 |   |  | System Execute Stop (Cease to Energize)
3 | DSTO.PrmConn.BO3 |  | 1 |   |  | System Permission to Start
4 | DSTO.PrmDscon.BO4 |  | 1 |   |  | System Permission to Stop
5 | CSWI.Pos.BO5 |  | 1 |   |  | DER Connect/Disconnect Switch
6 | DGEN.IsldCtlFol.BO6 |  | 1 |   |  | Islanded Mode
7 | DECP.ECPIsldAuto.BO7 |  | 1 |   |  | Enable Sensed Grid Config Detection
8 | DSTO.AGra.BO8 |  | 1 |   |  | Storage Capacity Units
9 | DSTO.OpnLoopTau.BO9 |  | 1 |   |  | Time Constant Mode
17 | DWLM.ModEna.BO17 |  | 1 |   |  | Enable Active Power Limit Mode
18 | DWGC.ModEna.BO18 |  | 1 |   |  | Enable Charge/Discharge Mode
19 | DTCD.ModEna.BO19 |  | 1 |   |  | Enable Coordinated Charge/Discharge Mode
23 | DAGC.ModEna.BO23 |  | 1 |   |  | Enable Automatic Generation Control Mode
38 | DWGC.UseRmpRte.BO38 |  | 1 |   |  | Charge/Discharge Mode - Use Ramp Rates
39 | DAGC.UseRmpRte.BO39 |  | 1 |   |  | AGC Mode - Use Ramp Rates
`;
