/**
 * Inputs of DNP3 Application Note AN2018-001 that a battery site uses.
 * One point a line: index | IEC 61850 name | unit | scale | values: + never below 0, - never above 0, ± both | event
 * class (1 alarms, 2 settings and states, 3 nameplate and measured) | meaning.
 * @source VOLTTRON services/core/DNP3Agent/dnp3/mesa_points.config @releases/8.2 [S]; classes: epri-dev/der-dnp3-an2018
 *         DERAppNoteDefinition.h [S]
 */
export const ANALOG_INPUTS = `
0 | AI0 |  | 0.01 | + | 3 | DER Profile Version Number
1 | AI1 |  | 1 | + | 3 | DER Profile Implementation Level
4 | DGEN.WMaxRtg.AI4 | W | 1 | + | 3 | Nameplate Active Generation Power Rating at Unity Power Factor
5 | DSTO.ChaWMaxRtg.AI5 | W | 1 | - | 3 | Nameplate Active Charging Power Rating at Unity Power Factor
14 | DGEN.VAMaxRtg.AI14 | VA | 1 | + | 3 | Nameplate Apparent Generation Power Rating
15 | DSTO.ChaVAMaxRtg.AI15 | VA | 1 | - | 3 | Nameplate Apparent Charging Power Rating
16 | DSTO.WhRtg.AI16 | Wh or Ah | 1 | + | 3 | Nameplate Storage Actual Energy Capacity
17 | DSTO.EffWh.AI17 | Wh or Ah | 1 | + | 3 | Storage Effective Actual Energy Capacity
18 | DSTO.UseWh.AI18 | Wh or Ah | 1 | + | 3 | Storage Usable Energy Capacity
24 | AI24 |  | 1 | + | 3 | Number of System Schedules
25 | AI25 |  | 1 | + | 3 | Number of Meters
26 | AI26 |  | 1 | + | 3 | Number of Inverters
27 | AI27 |  | 1 | + | 3 | Number of Batteries
28 | DSTO.InclDER.AI28 |  | 1 | + | 3 | Number of DER units connected to controller
29 | DECP.VRef.AI29 | V | 0.1 | + | 2 | Reference Voltage
31 | DECP.EcpNomHz.AI31 | Hz | 0.001 | + | 2 | Nominal Grid Frequency
32 | DGEN.WMax.AI32 | W | 1 | + | 2 | Maximum Active Generation Power
33 | DSTO.ChaWMax.AI33 | W | 1 | - | 2 | Maximum Active Charging Power
36 | DGEN.VAMax.AI36 | VA | 1 | + | 2 | Maximum Apparent Generation Power
37 | DSTO.ChaVAMax.AI37 | VA | 1 | - | 2 | Maximum Apparent Charging Power
43 | MMXU.TotW.AI43 | W | 1 | + | 2 | System Available Active Generation Power
44 | MMXU.TotChaW.AI44 | W | 1 | - | 2 | System Available Active Charging Power
45 | DGEN.AvarAvl.AI45 | var | 1 | + | 2 | System Available Reactive Injection Power
46 | DGEN.IvarAvl.AI46 | var | 1 | - | 2 | System Available Reactive Absorption Power
47 | DSTO.SocPct.AI47 | % | 0.1 | + | 2 | System Available Actual State of Charge
48 | DSTO.UseSocPct.AI48 | % | 0.1 | + | 2 | System Usable State of Charge
49 | DGEN.DEROpSt.AI49 | list | 1 | ± | 2 | System Start-up Status
62 | DCTE.RpuRteMax.AI62 | %/s | 0.1 | + | 2 | Maximum Generation Ramp Up Rate
63 | DCTE.RpdRteMax.AI63 | %/s | 0.1 | + | 2 | Maximum Generation Ramp Down Rate
64 | DCTE.RpuChaRteMax.AI64 | %/s | 0.1 | + | 2 | Maximum Charging Ramp Up Rate
65 | DCTE.RpdChaRteMax.AI65 | %/s | 0.1 | + | 2 | Maximum Charging Ramp Down Rate
142 | DWMX.ModPrio.AI142 |  | 1 | + | 2 | Active Power Limit Mode Priority
143 | DWMX.WinTms.AI143 | s | 1 | + | 2 | Active Power Limit Enabling Time Window
144 | DWMX.RmpTms.AI144 | s | 1 | + | 2 | Active Power Limit Enabling Ramp Time
145 | DWMX.RvrtTms.AI145 | s | 1 | + | 2 | Active Power Limit Reversion Timeout Period
146 | DWMX.EcpRef.AI146 |  | 1 | + | 2 | Active Power Limit Signal Meter ID
147 | MMXU.TotW.AI147 | W | 1 | ± | 2 | Active Power Limit Reference Input
148 | DWMX.WLimPct.AI148 | % | 0.1 | + | 2 | Active Power Limit Charge Setpoint
149 | DWMN.WLimPct.AI149 | % | 0.1 | + | 2 | Active Power Limit Generation Setpoint
150 | DWGC.ModPrio.AI150 |  | 1 | + | 2 | Charge/Discharge Mode Priority
151 | DWGC.WinTms.AI151 | s | 1 | + | 2 | Charge/Discharge Enabling Time Window
152 | DWGC.RmpTms.AI152 | s | 1 | + | 2 | Charge/Discharge Enabling Ramp Time
153 | DWGC.RvrtTms.AI153 | s | 1 | + | 2 | Charge/Discharge Reversion Timeout Period
154 | DWGC.GnWPctSpt.AI154 | % | 0.1 | ± | 2 | Charge/Discharge Active Power Target
155 | DWGC.OpnLoopMax.AI155 | s | 1 | + | 2 | Charge/Discharge Ramp Up Time Constant
156 | DWGC.OpnLoopMax.AI156 | s | 1 | + | 2 | Charge/Discharge Ramp Down Time Constant
157 | DWGC.RpuRte.AI157 | %/s | 0.1 | + | 2 | Charge/Discharge Discharge Ramp Up Rate
158 | DWGC.RpdRteMax.AI158 | %/s | 0.1 | + | 2 | Charge/Discharge Discharge Ramp Down Rate
159 | DWGC.RpuChaRte.AI159 | %/s | 0.1 | + | 2 | Charge/Discharge Charge Ramp Up Rate
160 | DWGC.RpdChaRteMax.AI160 | %/s | 0.1 | + | 2 | Charge/Discharge Charge Ramp Down Rate
161 | DWGC.SocUseMinPct.AI161 | % | 0.1 | ± | 2 | Charge/Discharge Minimum Reserve for Storage
162 | DWGC.SocUseMaxPct.AI162 | % | 0.1 | ± | 2 | Charge/Discharge Maximum Reserve for Storage
163 | DTCD.ModPrio.AI163 |  | 1 | + | 2 | Coordinated Charge/Discharge Mode Priority
164 | DTCD.WinTms.AI164 | s | 1 | + | 2 | Coordinated Charge/Discharge Enabling Time Window
165 | DTCD.RmpTms.AI165 | s | 1 | + | 2 | Coordinated Charge/Discharge Enabling Ramp Time
166 | DTCD.RvrtTms.AI166 | s | 1 | + | 2 | Coordinated Charge/Discharge Reversion Timeout Period
167 | DTCD.SocUseTgtPct.AI167 | % | 0.1 | + | 2 | Coordinated Charge/Discharge Target State of Charge
168 | DTCD.DateTgt.AI168 | d | 1 | + | 2 | Coordinated Charge/Discharge Target Date
169 | DTCD.DateTgtTms.AI169 | ms | 1 | + | 2 | Coordinated Charge/Discharge Target Time
170 | DTCD.SocWReq.AI170 | Wh | 1 | + | 2 | Coordinated Charge/Discharge Energy Request
209 | DAGC.ModPrio.AI209 |  | 1 | + | 2 | AGC Mode Priority
210 | DAGC.WinTms.AI210 | s | 1 | + |  | AGC Enabling Time Window
211 | DAGC.RmpTms.AI211 | s | 1 | + |  | AGC Enabling Ramp Time
212 | DAGC.RvrtTms.AI212 | s | 1 | + |  | AGC Reversion Timeout Period
213 | DAGC.GnWSpt.AI213 | W | 1 | ± | 2 | AGC Active Power Target
214 | DAGC.RmpUpTms.AI214 | s | 1 | + | 2 | AGC Ramp Up Time Constant
215 | DAGC.RmpDnTms.AI215 | s | 1 | + | 2 | AGC Ramp Down Time Constant
216 | DAGC.RpuRte.AI216 | %/s | 0.1 | + | 2 | AGC Discharge Ramp Up Rate
217 | DAGC.RpdRte.AI217 | %/s | 0.1 | + | 2 | AGC Discharge Ramp Down Rate
218 | DAGC.RpuChaRte.AI218 | %/s | 0.1 | + | 2 | AGC Charge Ramp Up Rate
219 | DAGC.RpdChaRte.AI219 | %/s | 0.1 | + | 2 | AGC Charge Ramp Down Rate
220 | DAGC.SocUseMinPct.AI220 | % | 0.1 | + | 2 | AGC Minimum Usable SOC
221 | DAGC.SocUseMaxPct.AI221 | % | 0.1 | + | 2 | AGC Maximum Usable SOC
224 | DAGC.SocExpc.AI224 | % | 0.1 | + |  | AGC Expected State of Charge
536 | MMXU.Hz.AI536 | Hz | 0.001 | + | 3 | System Meter Frequency
537 | MMXU.TotW.AI537 | W | 1 | ± | 3 | System Meter Active Power
541 | MMXU.TotVAr.AI541 | var | 1 | ± | 3 | System Meter Reactive Power
545 | MMXU.TotPF.AI545 |  | 0.01 | ± | 3 | System Meter Power Factor
546 | MMXU.TotVA.AI546 | VA | 1 | ± | 3 | System Meter Apparent Power
547 | MMXU.PhV.phsA.mag.AI547 | V | 0.1 | + | 3 | System Meter Phase A Volts
549 | MMXU.PhV.phsB.mag.AI549 | V | 0.1 | + | 3 | System Meter Phase B Volts
551 | MMXU.PhV.phsC.mag.AI551 | V | 0.1 | + | 3 | System Meter Phase C Volts
553 | MMXU.AvPPVPhs.AI553 | V | 0.1 | + | 1 | System Meter Average Line to Line Voltage
554 | MMXU.A.phsA.mag.AI554 | A | 0.1 | ± | 1 | System Meter Current A
555 | MMXU.A.phsB.mag.AI555 | A | 0.1 | ± | 1 | System Meter Current B
556 | MMXU.A.phsC.mag.AI556 | A | 0.1 | ± | 1 | System Meter Current C
`;

/** BI7 is named SohLoAlm in the list; its description says state of charge, and that is what it is here. */
export const BINARY_INPUTS = `
0 | LCCH.ChLiv.BI0 |  | 1 |   | 1 | System Communication Error
1 | CALH.GrAlm.BI1 |  | 1 |   | 1 | System Has Priority 1 Alarms
2 | CALH.GrWrn.BI2 |  | 1 |   | 1 | System Has Priority 2 Alarms
3 | CALH.GrInd.BI3 |  | 1 |   | 1 | System Has Priority 3 Alarms
4 | DSTO.SocHiWrn.BI4 |  | 1 |   | 1 | Storage State of Charge at Maximum
5 | DSTO.SocHiAlm.BI5 |  | 1 |   | 1 | Storage State of Charge is Too High
6 | DSTO.SocLoAlm.BI6 |  | 1 |   | 1 | Storage State of Charge is Too Low
7 | DSTO.SohLoAlm.BI7 |  | 1 |   | 1 | Storage State of Charge is Depleted
8 | DBAT.IntnTmpHiAlm.BI8 |  | 1 |   | 1 | Storage Internal Temperature is Too High
9 | DBAT.ExtTmpHiAlm.BI9 |  | 1 |   | 1 | Storage External (Ambient) Temperature is Too High
10 | DSTO.DEROpSt.disconnectedandinmaintenance.BI10 |  | 1 |   | 2 | System Is In Local State
11 | DSTO.DEROpSt.disconnectedandblocked.BI11 |  | 1 |   | 2 | System Is In Lockout State
12 | DSTO.DEROpSt.startingandsynchronizing.BI12 |  | 1 |   | 2 | System Is Starting Up
13 | DSTO.DEROpSt.stopping.BI13 |  | 1 |   | 2 | System Is Stopping
14 | DSTO.DEROpSt.connectedandidle.BI14 |  | 1 |   | 2 | System is Started (Return to Service)
15 | DSTO.DEROpSt.ceasedtoenergize.BI15 |  | 1 |   | 2 | System is Stopped (Cease to Energize)
16 | DSTO.PrmConn.BI16 |  | 1 |   | 2 | System Permission to Start Status
17 | DSTO.PrmDscon.BI17 |  | 1 |   | 2 | System Permission to Stop Status
18 | DSTO.DEROpSt.connectedandidle.BI18 |  | 1 |   | 2 | DER is Connected and Idle
19 | DSTO.DEROpSt.connectedandgenerating.BI19 |  | 1 |   | 2 | DER is Connected and Generating
20 | DSTO.DEROpSt.connectedandconsuming.BI20 |  | 1 |   | 2 | DER is Connected and Charging
21 | DSTO.DEROpSt.disconnectedandavailable.BI21 |  | 1 |   | 2 | DER is Off but Available to Start
22 | DSTO.DEROpSt.disconnectedandstand-by.BI22 |  | 1 |   | 2 | DER is Off and Not Available to Start
23 | DSTO.DEROpSt.off.BI23 |  | 1 |   | 2 | DER Connect/Disconnect Switch Closed Status
24 | CSWI.Pos.BI24 |  | 1 |   | 2 | DER Connect/Disconnect Switch Movement Status
25 | DSTO.IsldCtlFol.BI25 |  | 1 |   | 3 | Islanded Mode
26 | DECP.ECPIsldAuto.BI26 |  | 1 |   | 3 | Sensed Grid Config Detection Enabled
27 | DSTO.AGra.BI27 |  | 1 |   | 3 | Storage Capacity Units
36 | DWLM.BI36 |  | 1 |   | 0 | Supports Active Power Limit Mode
37 | DWGC.BI37 |  | 1 |   | 0 | Supports Charge/Discharge Mode
38 | DTCD.BI38 |  | 1 |   | 0 | Supports Coordinated Charge/Discharge Mode
42 | DAGC.BI42 |  | 1 |   | 0 | Supports Automatic Generation Control Mode
69 | DWLM.ModEna.BI69 |  | 1 |   | 2 | Operating Mode - Active Power Limit Enabled
70 | DWGC.ModEna.BI70 |  | 1 |   | 2 | Operating Mode - Charge/Discharge Enabled
71 | DTCD.ModEna.BI71 |  | 1 |   | 2 | Operating Mode - Coordinated Charge/Discharge Management Enabled
75 | DAGC.ModEna.BI75 |  | 1 |   | 2 | Operating Mode - Automatic Generation Control Enabled
90 | DWGC.UseRmpRte.BI90 |  | 1 |   | 2 | Charge/Discharge Mode - Use Ramp Rates
91 | DAGC.UseRmpRte.BI91 |  | 1 |   | 2 | AGC Mode - Use Ramp Rates
94 | MMXU.TotW.range.BI94 |  | 1 |   | 1 | System Meter Active Power is Too High
95 | MMXU.TotW.range.BI95 |  | 1 |   | 1 | System Meter Active Power is Too Low
96 | MMXU.TotVAr.range.BI96 |  | 1 |   |  | System Meter Reactive Power is Too High
97 | MMXU.TotVAr.range.BI97 |  | 1 |   |  | System Meter Reactive Power is Too Low
98 | MMXU.TotPF.range.BI98 |  | 1 |   |  | System Meter Power Factor is Too High
99 | MMXU.TotPF.range.BI99 |  | 1 |   |  | System Meter Power Factor is Too Low
100 | MMXU.PhV.phsA.range.BI100 |  | 1 |   |  | System Meter Phase A Voltage is Too High
101 | MMXU.PhV.phsA.range.BI101 |  | 1 |   |  | System Meter Phase A Voltage is Too Low
102 | MMXU.PhV.phsB.range.BI102 |  | 1 |   |  | System Meter Phase B Voltage is Too High
103 | MMXU.PhV.phsB.range.BI103 |  | 1 |   |  | System Meter Phase B Voltage is Too Low
104 | MMXU.PhV.phsC.range.BI104 |  | 1 |   |  | System Meter Phase C Voltage is Too High
105 | MMXU.PhV.phsC.range.BI105 |  | 1 |   |  | System Meter Phase C Voltage is Too Low
106 | LCCH.ChLiv.BI106 |  | 1 |   | 1 | System Meter Communication Error
`;
